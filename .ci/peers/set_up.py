"""Makes what the tests need in LocalStack and moto, and prints it as JSON. From then on moto verifies every request.

usage: set_up.py LOCALSTACK MOTO CA.pem
"""

import json
import sys

import boto3
import requests

localstack, moto, ca = sys.argv[1:]


def client(service, endpoint):
    # Neither server looks at them, but botocore signs nothing without credentials.
    unused = {"aws_access_key_id": "unused", "aws_secret_access_key": "unused"}
    return boto3.client(service, endpoint_url=f"https://{endpoint}", verify=ca, region_name="us-east-1", **unused)


def key(endpoint, **kind):
    return client("kms", endpoint).create_key(**kind)["KeyMetadata"]["Arn"]


def policy(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def credentials(issued):
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    return {name: issued[name] for name in names if name in issued}


iam = client("iam", moto)


def user(name):
    iam.create_user(UserName=name)
    return credentials(iam.create_access_key(UserName=name)["AccessKey"])


may_use_kms = policy(Action="kms:*", Resource="*")
permitted, stranger = user("permitted"), user("stranger")
iam.put_user_policy(UserName="permitted", PolicyName="kms", PolicyDocument=may_use_kms)
may_be_assumed = policy(Action="sts:AssumeRole", Principal={"AWS": "*"})
role = iam.create_role(RoleName="parent", AssumeRolePolicyDocument=may_be_assumed)["Role"]["Arn"]
iam.put_role_policy(RoleName="parent", PolicyName="kms", PolicyDocument=may_use_kms)
session = credentials(client("sts", moto).assume_role(RoleArn=role, RoleSessionName="enclave")["Credentials"])

keys = [key(localstack), key(localstack)]
client("kms", localstack).create_alias(AliasName="alias/first", TargetKeyId=keys[0])

peers = {
    "localstack": {
        "address": localstack,
        "keys": keys,
        "agreement_key": key(localstack, KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT"),
    },
    "moto": {
        "address": moto,
        "key": key(moto),
        "permitted": permitted,
        "session": session,
        "stranger": stranger,
    },
}
requests.post(f"https://{moto}/moto-api/reset-auth", data="0", verify=ca, timeout=10).raise_for_status()
print(json.dumps(peers))
