"""The command line: arguments in, one command run, its outcome published as console lines, files and outputs."""
