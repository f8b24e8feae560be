"""The notation plugin that signs with a key of Azure Key Vault: it asks the s3c that started notation, by a socket.

Run by its path under `python -I -S`, as `plugin_client.py SOCKET COMMAND`, by the contract of
https://github.com/notaryproject/specifications/blob/main/specs/plugin-extensibility.md. It imports nothing but the
standard library, so that its three starts for each signature take no time, and it holds no token: signing is done by
the process that is logged in.
"""

import json
import socket
import sys


def main() -> int:
    """Hand the request on and the answer back; 1 with the contract's error on standard error."""
    path, command = sys.argv[1:3]
    request = sys.stdin.read()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(path)
            with connection.makefile("rw", encoding="utf-8") as stream:
                stream.write(json.dumps({"command": command, "request": request}) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
    except (OSError, ValueError) as error:
        answer = {"error": {"errorCode": "ERROR", "errorMessage": f"s3c does not answer: {error}"}}
    if "error" in answer:
        json.dump(answer["error"], sys.stderr)
        return 1
    json.dump(answer["answer"], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
