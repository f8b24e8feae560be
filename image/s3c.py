#!/usr/bin/python3 -I
"""The command `s3c` of the image: isolated, so that nothing in the folder it is started in is imported."""

import sys

sys.path[:0] = ["/opt/s3c/package", "/opt/s3c/packages"]

from s3c_actions.__main__ import main  # noqa: E402

sys.exit(main())
