"""Makes a private DB instance, and what may forward to it: an EC2 instance and a task of ECS. Leaves their ids.

Runs in the process of doctor/deployment.py, with its clients.
"""

vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
subnets = [
    ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]["SubnetId"]
    for number, zone in enumerate("ab")
]


def group(purpose):
    return ec2.create_security_group(GroupName=f"{name}-{purpose}", Description=purpose, VpcId=vpc)["GroupId"]


of_instance, of_bastion, of_task = group("db"), group("bastion"), group("task")
sources = {
    "bastion": {"UserIdGroupPairs": [{"GroupId": of_bastion}]},
    "task": {"UserIdGroupPairs": [{"GroupId": of_task}]},
    "both": {"UserIdGroupPairs": [{"GroupId": of_bastion}, {"GroupId": of_task}]},
    "range": {"IpRanges": [{"CidrIp": "10.7.0.0/16"}]},
}
if source in sources:
    permission = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432} | sources[source]
    ec2.authorize_security_group_ingress(GroupId=of_instance, IpPermissions=[permission])

rds.create_db_subnet_group(DBSubnetGroupName=name, DBSubnetGroupDescription=name, SubnetIds=subnets)
rds.create_db_instance(
    DBInstanceIdentifier=name, Engine="postgres", DBInstanceClass="db.t4g.micro", AllocatedStorage=20, DBName=database,
    MasterUsername="admin", ManageMasterUserPassword=True, DBSubnetGroupName=name, VpcSecurityGroupIds=[of_instance])

bastion = ec2.run_instances(
    ImageId="ami-12c6146b", MinCount=1, MaxCount=1, SubnetId=subnets[0], SecurityGroupIds=[of_bastion],
    TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "bastion"}]}])["Instances"][0]["InstanceId"]

cluster = ecs.create_cluster(clusterName=name)["cluster"]["clusterArn"]
definition = ecs.register_task_definition(
    family=name, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
    containerDefinitions=[{"name": "web", "image": "web", "memory": 512}])["taskDefinition"]["taskDefinitionArn"]
network = {"awsvpcConfiguration": {"subnets": subnets, "securityGroups": [of_task]}}
task = ecs.run_task(
    cluster=cluster, taskDefinition=definition, launchType="FARGATE", count=1, networkConfiguration=network)["tasks"][0]

result = {
    "vpc": vpc, "bastion": bastion, "group": of_instance, "group_of_bastion": of_bastion,
    "task": task["taskArn"].rsplit("/", 1)[1]}
