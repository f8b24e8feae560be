"""The documents that are attached to an image: statement, SBOM, OpenVEX, and what is read back of them."""
