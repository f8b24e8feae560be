"""What an image's layers hold: files as a runtime would unpack them, packages, and how two images differ in them.

Layers come from strangers. They are read as streams and never unpacked: an entry's name is compared, and names no file
of this machine.
"""
