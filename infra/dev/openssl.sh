#!/bin/sh
# Perl, with which openssl-src configures OpenSSL: without what a client of PostgreSQL and AWS never speaks. A TLS library
# makes a list of every algorithm it has when it starts, and this one has hundreds.
set -eu
[ "${1:-}" = ./Configure ] || exec perl "$@"
# Protocols.
set -- "$@" no-quic no-dtls no-tls1 no-tls1_1 no-srp no-srtp no-nextprotoneg no-cms no-cmp no-ct no-ocsp no-ts no-http no-ssl-trace
# Signatures and keys that no certificate of such a server has.
set -- "$@" no-dsa no-slh-dsa no-ml-dsa no-lms no-sm2 no-ec2m no-gost
# Ciphers and digests that TLS 1.2 and 1.3 do not need.
set -- "$@" no-aria no-bf no-blake2 no-cast no-des no-md4 no-mdc2 no-rc2 no-rc4 no-rmd160 no-siphash no-siv no-sm3 no-sm4 \
    no-whirlpool no-ocb no-scrypt no-argon2
# Small, as the rest: what takes long is in assembly. Nothing unwinds its stack.
exec perl "$@" no-apps no-docs -Os -fno-asynchronous-unwind-tables -fno-unwind-tables
