#!/usr/bin/env bash
# Makes grpc_csharp_plugin in a folder, from Debian's source of gRPC, and installs protoc, as root on Debian. For where
# NuGet's package Grpc.Tools, which has both, is out of reach.
set -euo pipefail
mkdir -p "$1"
cd "$1"
if [[ -x grpc_csharp_plugin ]] && command -v protoc >/dev/null; then exit; fi

apt-get update -q
apt-get install -q -y --no-install-recommends g++ libprotoc-dev protobuf-compiler

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/sources" "$work/lists/partial"
# The sources of what this system's apt has the packages of.
for list in /etc/apt/sources.list.d/*.sources; do
  if [[ -f $list ]]; then sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/sources/${list##*/}"; fi
done
if [[ -f /etc/apt/sources.list ]]; then sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$work/sources/main.list"; fi
apt=(apt-get -q -o Dir::Etc::sourcelist=- -o "Dir::Etc::sourceparts=$work/sources" -o "Dir::State::lists=$work/lists"
  -o APT::Sandbox::User=root)
"${apt[@]}" update
(cd "$work" && "${apt[@]}" source --download-only grpc)
mkdir "$work/grpc"
tar -xf "$work"/grpc_*.orig.tar.* -C "$work/grpc" --strip-components=1
(cd "$work/grpc" &&
  g++ -std=c++17 -I. -Iinclude src/compiler/csharp_plugin.cc src/compiler/csharp_generator.cc \
    -o "$work/grpc_csharp_plugin" -lprotoc -lprotobuf -lpthread)
mv "$work/grpc_csharp_plugin" .
