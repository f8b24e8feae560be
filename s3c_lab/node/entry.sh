#!/bin/bash
# Starts the parts of the node in the order in which they need each other, and ends when one of them ends.
# Everything it reads was written by s3c_lab.node.files into /etc/s3c-node.
set -euo pipefail
etc=/etc/s3c-node
data=/var/lib/s3c-node
logs=/var/log/s3c-node
mkdir -p "$logs" "$data"

. /s3c-control-groups.sh
# The kubelet watches the kernel's messages for processes that were killed for want of memory.
[ -e /dev/kmsg ] || mknod /dev/kmsg c 1 11

# Where CoreDNS listens: an address that is the same in every node, so that no file has to be written after the start.
ip addr add "$(cat $etc/dns-address)/32" dev lo

pids=()
declare -A names=()
start() {
  local name=$1
  shift
  "$@" >"$logs/$name.log" 2>&1 &
  pids+=($!)
  names[$!]=$name
}

start registry socat "TCP-LISTEN:$(cat $etc/registry-port),bind=127.0.0.1,fork,reuseaddr" UNIX-CONNECT:/var/lib/s3c-registry/socket
start containerd containerd --config $etc/containerd.toml
start etcd etcd --data-dir $data/etcd --unsafe-no-fsync --listen-peer-urls http://127.0.0.1:2380 --log-level warn
start kube-apiserver kube-apiserver \
  --etcd-servers=http://127.0.0.1:2379 --secure-port=6443 \
  --tls-cert-file=$etc/pki/apiserver.crt --tls-private-key-file=$etc/pki/apiserver.key --client-ca-file=$etc/pki/ca.crt \
  --service-account-key-file=$etc/pki/service-accounts.pub --service-account-signing-key-file=$etc/pki/service-accounts.key \
  --service-account-issuer=https://kubernetes.default.svc --service-cluster-ip-range=10.96.0.0/16 \
  --authorization-mode=Node,RBAC --allow-privileged=true --enable-admission-plugins=NodeRestriction \
  --kubelet-client-certificate=$etc/pki/admin.crt --kubelet-client-key=$etc/pki/admin.key \
  --kubelet-preferred-address-types=InternalIP

ctr=(ctr --address /run/containerd/containerd.sock --namespace k8s.io)
until "${ctr[@]}" version >/dev/null 2>&1; do sleep 0.1; done
for archive in /var/lib/s3c-images/*.tar; do "${ctr[@]}" images import --no-unpack=false "$archive" >>"$logs/images.log" 2>&1; done &
imports=$!

admin=$etc/admin.conf
until kubectl --kubeconfig $admin get --raw /readyz >/dev/null 2>&1; do
  for pid in "${pids[@]}"; do kill -0 "$pid" 2>/dev/null || break 2; done
  sleep 0.2
done
start kube-controller-manager kube-controller-manager --kubeconfig=$admin --leader-elect=false \
  --service-account-private-key-file=$etc/pki/service-accounts.key --root-ca-file=$etc/pki/ca.crt \
  --use-service-account-credentials --allocate-node-cidrs=true --cluster-cidr=10.244.0.0/16
start kube-scheduler kube-scheduler --kubeconfig=$admin --leader-elect=false
start coredns coredns -conf $etc/Corefile
start kube-proxy kube-proxy --config $etc/kube-proxy.yaml --hostname-override "$(hostname)"
wait $imports
start kubelet kubelet --config $etc/kubelet.yaml --kubeconfig $etc/kubelet.conf --hostname-override "$(hostname)" --root-dir $data/kubelet

trap 'exit 0' TERM INT
wait -n -p ended "${pids[@]}" || true
echo "${names[$ended]} ended; the last it said:" >&2
tail -n 20 "$logs/${names[$ended]}.log" >&2
exit 1
