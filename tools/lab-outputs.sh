#!/usr/bin/env bash
# Brings the lab up in a workflow's job, with the flags given, and tells the following steps where its parts are.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(actions/setup.sh --dev)
"$python" -m s3c_lab up --json "$@" | "$python" -c '
import json, sys
lab = json.load(sys.stdin)
app, database = lab["images"]
facts = {"app": app, "database": database, "buildkit": lab["buildkit"], "trivy-cache": lab["trivy_cache"]}
for name, value in {**facts, "key": lab["key"], "certificate": lab["certificate"], "kubeconfig": lab["kubeconfig"]}.items():
    print(f"{name}={value}")
' >>"$GITHUB_OUTPUT"
