"""The documents that are attached to an image: statement, SBOM, OpenVEX, and their readers."""
