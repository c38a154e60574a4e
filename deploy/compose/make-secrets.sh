#!/bin/sh
# Makes the secrets of compose.yaml in ./secrets, once: passwords, an auth file with one token, and a certificate for localhost and
# the gateways. Needs openssl, and the image of the gateway for the token; SLUICE names another way to run `sluice`.
set -eu
cd "$(dirname "$0")"
if [ -e secrets ]; then
  echo 'secrets/ exists already' >&2
  exit 1
fi
making=$(mktemp -d ./secrets-XXXXXX)
trap 'rm -rf "$making"' EXIT
# The folder is closed to other users; the files in it are not, since a container reads them as another user.
chmod 700 "$making"
umask 022

password() { openssl rand -hex 24; }

password | tr -d '\n' >"$making/nats-password"
password | tr -d '\n' >"$making/grafana-password"
# The permissions of a gateway, as docs/operations/security.md has them.
cat >"$making/nats-logins.conf" <<END
authorization {
  users: [
    {
      user: sluice
      password: "$(cat "$making/nats-password")"
      permissions {
        publish {
          allow: [
            "es.>"
            "\$JS.API.STREAM.INFO.EVENTS"
            "\$JS.API.STREAM.CREATE.EVENTS"
            "\$JS.API.STREAM.MSG.GET.EVENTS"
            "\$JS.API.CONSUMER.CREATE.EVENTS.*"
            "\$JS.API.CONSUMER.MSG.NEXT.EVENTS.*"
            "\$JS.API.CONSUMER.DELETE.EVENTS.*"
            "\$JS.API.STREAM.UPDATE.EVENTS"
          ]
        }
        subscribe { allow: ["_INBOX.>"] }
      }
    }
  ]
}
END

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj '/CN=Sluice test authority' \
  -keyout "$making/ca.key" -out "$making/ca.crt" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '/CN=sluice' \
  -keyout "$making/tls.key" -out "$making/tls.csr" 2>/dev/null
printf 'subjectAltName=DNS:localhost,DNS:gateway-1,DNS:gateway-2,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' >"$making/tls.ext"
openssl x509 -req -in "$making/tls.csr" -CA "$making/ca.crt" -CAkey "$making/ca.key" -CAcreateserial -days 365 \
  -extfile "$making/tls.ext" -out "$making/tls.crt" 2>/dev/null
rm "$making/tls.csr" "$making/tls.ext" "$making/ca.srl"
chmod 644 "$making/tls.key"

echo '{"roles":{"owner":{"grants":[{"actions":["append","read","subscribe"],"streams":[">"]},{"actions":["admin"]}]}}}' \
  >"$making/auth.json"
sluice=${SLUICE:-"docker run --rm --network none --user $(id -u):$(id -g) --volume $PWD/$making:$PWD/$making sluice:0.1.0"}
# It is a command with arguments.
# shellcheck disable=SC2086
$sluice token create --auth-file "$PWD/$making/auth.json" --principal me --role owner >"$making/me.token"
chmod 644 "$making/auth.json"

mv "$making" secrets
trap - EXIT
echo 'secrets/ has what compose.yaml needs, me.token for you, and ca.crt for clients'
