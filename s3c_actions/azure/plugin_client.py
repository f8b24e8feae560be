"""The notation plugin that signs with a key of Azure Key Vault: it calls the s3c that started notation, by a socket.

Run by its path under `python -I -S`, as `plugin_client.py SOCKET COMMAND`, by the contract of
https://github.com/notaryproject/specifications/blob/main/specs/plugin-extensibility.md. It imports as little as
possible, so that it starts quickly, and it holds no token: signing is done by the process that is logged in.
"""

import socket
import sys

NO_ANSWER = b'{"errorCode": "ERROR", "errorMessage": "s3c does not answer: it has ended."}'


def main() -> int:
    """Forward the request and print the answer; 1 with the contract's error on standard error."""
    path, command = sys.argv[1:3]
    request = command.encode() + b"\n" + sys.stdin.buffer.read()
    answer = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(path)
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
    except OSError:
        answer = b""
    verdict, _, document = answer.partition(b"\n")
    succeeded = verdict == b"answer"
    (sys.stdout if succeeded else sys.stderr).buffer.write(document or NO_ANSWER)
    return 0 if succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
