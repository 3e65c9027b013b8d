"""Writes the template as the stand-in for CloudFormation can take it: adapt.py TEMPLATE RESULT

It refuses a template with these types as a whole. Nothing here needs them: there is one network, and no proxy.
"""

import sys

from samcli.yamlhelper import yaml_dump, yaml_parse

UNKNOWN = ("AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress", "AWS::RDS::DBProxy", "AWS::RDS::DBProxyTargetGroup")

source, result = sys.argv[1:]
template = yaml_parse(open(source).read())
for name in [name for name, resource in template["Resources"].items() if resource["Type"] in UNKNOWN]:
    del template["Resources"][name]
open(result, "w").write(yaml_dump(template))
