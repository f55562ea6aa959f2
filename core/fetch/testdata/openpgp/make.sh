#!/bin/sh
# Makes the samples in keys/ and messages/ anew, with GnuPG 2.2.
#
# Keys are random, so every run gives other bytes; what the tests look at stays:
# all keys are of 1 January 2024, all signatures of 1 June 2024, and what lapses
# does so on 1 September 2024. The tests judge all of it on 1 January 2025.
set -eu
cd "$(dirname "$0")"
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'gpgconf --kill gpg-agent; rm -rf "$GNUPGHOME"' EXIT

KEYS_AT=20240101T000000
SIGNED_AT=20240601T000000
LAPSED_AT=20240901T000000

# at TIME WORDS...: gpg at that time, asking nothing.
at() {
    time=$1
    shift
    gpg --quiet --no-tty --batch --yes --pinentry-mode loopback --passphrase '' \
        --faked-system-time "$time!" "$@"
}

# answer TIME WORDS...: gpg at that time, with its questions answered from standard input.
answer() {
    time=$1
    shift
    gpg --quiet --no-tty --yes --pinentry-mode loopback --passphrase '' --command-fd 0 --status-fd 2 \
        --faked-system-time "$time!" "$@" 2>"$GNUPGHOME/answers" || { cat "$GNUPGHOME/answers"; exit 1; }
}

# key NAME ALGORITHM [USAGE [EXPIRY [TIME]]]
key() { at "${5:-$KEYS_AT}" --quick-generate-key "$1 <$1@example.org>" "$2" "${3:-sign,cert}" "${4:-never}"; }

# subkey NAME [EXPIRY]: a signing subkey for it
subkey() { at "$KEYS_AT" --quick-add-key "$(fingerprint "$1")" ed25519 sign "${2:-never}"; }

fingerprint() { gpg --with-colons --list-keys "$1" | awk -F: '$1 == "fpr" { print $10; exit }'; }

# sign NAME KEY [OPTION...]: messages/NAME.asc, clear-signed
sign() {
    name=$1
    key=$2
    shift 2
    at "$SIGNED_AT" -u "$key" "$@" -o "messages/$name.asc" --clearsign text
}

# revoke KEY REASON: 1 is compromised, 2 is superseded
revoke() {
    printf 'y\n%s\nas a test\n\ny\n' "$2" | answer "$LAPSED_AT" -o "$GNUPGHOME/revocation" --gen-revoke "$1"
    at "$LAPSED_AT" --import "$GNUPGHOME/revocation"
}

rm -rf keys messages text
mkdir keys messages
printf 'Origin: Example\nSuite: stable\n- a dashed line\nDescription: a text\n\nLast: line\n' >text

for algorithm in rsa3072 ed25519 nistp256 nistp384 nistp521 secp256k1 dsa2048 rsa1024; do
    key $algorithm $algorithm
    sign $algorithm $algorithm
done
for hash in SHA1 RIPEMD160 SHA224 SHA256 SHA384; do
    sign "hash-$hash" rsa3072 --digest-algo $hash
done

key stranger ed25519
sign stranger stranger
sign two ed25519 -u rsa3072
sign with-stranger ed25519 -u stranger

key expired ed25519 sign,cert $LAPSED_AT
sign expired expired
sign expired-signature ed25519 --default-sig-expire "$LAPSED_AT"
for name in revoked superseded; do
    key $name ed25519
    sign $name $name
done
revoke revoked 1
revoke superseded 2

key subkey ed25519 cert
subkey subkey
sign subkey subkey
key subkey-expired ed25519 cert
subkey subkey-expired $LAPSED_AT
sign subkey-expired subkey-expired
key subkey-revoked ed25519 cert
subkey subkey-revoked
sign subkey-revoked subkey-revoked
printf 'key 1\nrevkey\ny\n3\nas a test\n\ny\nsave\n' | answer "$LAPSED_AT" --edit-key subkey-revoked

# It signs, and only afterwards becomes a key that may not.
key usage ed25519
sign usage usage
printf 'change-usage\ns\nq\nsave\n' | answer "$SIGNED_AT" --edit-key usage

# Certificates that rest on SHA-1, made before and after it stopped counting.
for year in 2022 2024; do
    at ${year}0101T000000 --cert-digest-algo SHA1 --quick-generate-key \
        "sha1-$year <sha1-$year@example.org>" rsa2048 sign,cert never
    sign sha1-$year sha1-$year
done

# Its secret half makes signatures as RPM packages have them, which GnuPG makes no more.
key packages rsa2048
gpg --quiet --batch --pinentry-mode loopback --passphrase '' --armor --export-secret-keys packages >packages.secret.asc

for name in $(gpg --with-colons --list-keys | sed -n 's/^uid:.*<\(.*\)@example.org>.*/\1/p' | grep -v stranger); do
    at "$LAPSED_AT" --armor --export "$name@example.org" >"keys/$name.asc"
done

# Signatures beside the text, in each of their forms.
detached() {
    name=$1
    shift
    at "$SIGNED_AT" "$@" -o "messages/$name" --detach-sign text
}
detached detached.sig -u ed25519
detached detached.asc -u ed25519 --armor
detached detached-two.sig -u ed25519 -u rsa3072
detached detached-two.asc -u ed25519 -u stranger --armor
detached detached-text.sig -u ed25519 --textmode
at "$SIGNED_AT" -u ed25519 --armor -o messages/inline.asc --sign text

# What clear-signing changes in a text, and what gpgv makes of that.
mkdir messages/framing
cd messages/framing
printf -- '-----BEGIN PGP SIGNATURE-----\n- dashed\n-\nFrom here\n- - twice\n' >dashes.txt
printf 'blanks  \ntab\t\n \t\n both \t\nend ' >blanks.txt
printf 'one\r\ntwo\r\n\r\nfour\r\n' >crlf.txt
printf 'first\nsecond' >open-end.txt
printf '' >empty.txt
printf '\n' >newline.txt
printf '\n\ntext\n\n\n' >blank-lines.txt
printf 'caf\351 \377\376\n' >not-utf8.txt
awk 'BEGIN { for (i = 0; i < 9000; i++) printf "x"; print "" }' >long-line.txt
for text in *.txt; do
    name=${text%.txt}
    at "$SIGNED_AT" -u ed25519 -o "$name.asc" --clearsign "$text"
    gpg --export ed25519 >"$GNUPGHOME/ring.gpg"
    gpgv --quiet --keyring "$GNUPGHOME/ring.gpg" --output "$name.out" "$name.asc" 2>/dev/null
    rm "$text"
done
