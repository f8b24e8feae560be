#!/usr/bin/env bash
# Assembles the folder that image/Dockerfile is built from: packages for a Python of that version (the base's) and programs,
# held to their hashes, and the wheel of this checkout.
set -euo pipefail
[ $# = 1 ] || [ $# = 2 ] || { echo "usage: image.sh FOLDER [PYTHON VERSION]" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd) version=${2:-3.13}
cd "$(dirname "$0")/.."
[ -z "$(ls -A "$folder")" ] || { echo "image.sh: $folder is not empty." >&2; exit 2; }
uv=$(actions/setup.sh --uv)
python=$(actions/setup.sh)

install=("$uv" pip install --no-config --quiet --no-deps --only-binary :all: --python-version "$version" --python-platform linux)
"${install[@]}" --require-hashes --target "$folder/packages" --requirement requirements/runtime.txt
tools/build.sh "$folder/wheel"
"${install[@]}" --target "$folder/s3c" "$folder"/wheel/*.whl
rm -rf "$folder/wheel" "$folder"/{packages,s3c}/{bin,.lock} "$folder/s3c/share"

programs=(trivy copa notation helm)
mkdir "$folder/programs"
"$python" -m s3c_actions programs install "${programs[@]}" --quiet >&2
"$python" -m s3c_actions programs where "${programs[@]}" --json |
    "$python" -c 'import json, sys; [print(program["path"]) for program in json.load(sys.stdin)["programs"]]' |
    xargs -I{} cp {} "$folder/programs"
cp image/Dockerfile image/s3c.py "$folder"
