"""The state folder keeps moto's other services, with their private keys and with what they change in one another."""

from __future__ import annotations

import json
import os
import pickle
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from geopipe_emulator import Emulator
from geopipe_emulator.state.file import StateFile, create
from geopipe_emulator.state.moto import MotoState, new_method
from geopipe_emulator.state.owner import OWNER_FILE

PLAIN = b"a secret"


def fill(emulator: Emulator) -> dict[str, Any]:
    """Returns what only the responses say."""
    kms, ec2, acm = emulator.client("kms"), emulator.client("ec2"), emulator.client("acm")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/kept", TargetKeyId=key)
    signers = {
        spec: kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
        for spec in ("RSA_2048", "ECC_NIST_P256")
    }
    vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="kept", Description="d", VpcId=vpc)["GroupId"]
    ec2.create_key_pair(KeyName="kept")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    instances = {"ImageId": image, "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.micro"}
    ec2.run_instances(**instances, SubnetId=subnet, SecurityGroupIds=[group])
    certificate = acm.request_certificate(DomainName="kept.example.com")["CertificateArn"]
    file_system = emulator.client("efs").create_file_system(CreationToken="kept")["FileSystemId"]
    known = {"key": key, **signers, "vpc": vpc, "subnet": subnet, "certificate": certificate}
    known["file system"] = file_system
    known["encrypted"] = kms.encrypt(KeyId="alias/kept", Plaintext=PLAIN)["CiphertextBlob"]
    for spec, algorithm in (("RSA_2048", "RSASSA_PSS_SHA_256"), ("ECC_NIST_P256", "ECDSA_SHA_256")):
        signed = kms.sign(KeyId=signers[spec], Message=PLAIN, SigningAlgorithm=algorithm)
        known[f"signature of {spec}"] = (algorithm, signed["Signature"])
    cluster = {"NodeType": "ra3.xlplus", "MasterUsername": "user", "MasterUserPassword": "Passw0rd"}
    emulator.client("redshift").create_cluster(ClusterIdentifier="kept", **cluster)
    # The last call: it makes a network interface in EC2.
    emulator.client("efs").create_mount_target(FileSystemId=file_system, SubnetId=subnet)
    return known


def describe(emulator: Emulator, known: dict[str, Any]) -> dict[str, Any]:
    """Returns everything that can be read."""
    kms, ec2, acm = emulator.client("kms"), emulator.client("ec2"), emulator.client("acm")
    responses = {
        "keys": kms.list_keys(),
        "public": kms.get_public_key(KeyId=known["RSA_2048"]),
        "aliases": kms.list_aliases(KeyId=known["key"]),
        "vpcs": ec2.describe_vpcs(),
        "subnets": ec2.describe_subnets(),
        "groups": ec2.describe_security_groups(),
        "key pairs": ec2.describe_key_pairs(),
        "instances": ec2.describe_instances(),
        "interfaces": ec2.describe_network_interfaces(),
        "images": ec2.describe_images(Owners=["amazon"]),
        "certificate": acm.get_certificate(CertificateArn=known["certificate"]),
        "clusters": emulator.client("redshift").describe_clusters(),
        "mount targets": emulator.client("efs").describe_mount_targets(FileSystemId=known["file system"]),
    }
    for response in responses.values():
        del response["ResponseMetadata"]
    return responses


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("services") / "account"


@pytest.fixture(scope="module")
def before(folder: Path) -> dict[str, Any]:
    """What the account had when its emulator was killed."""
    with Emulator(state_dir=folder) as emulator:
        known = fill(emulator)
        known["account"] = describe(emulator, known)
        os.kill(json.loads((folder / OWNER_FILE).read_bytes())["pid"], signal.SIGKILL)
    return known


@pytest.fixture(scope="module")
def restarted(folder: Path, before: dict[str, Any]) -> Iterator[Emulator]:
    with Emulator(state_dir=folder) as emulator:
        yield emulator


@pytest.mark.process
@pytest.mark.slow
def test_everything_is_as_before_the_kill(restarted: Emulator, before: dict[str, Any]) -> None:
    after = describe(restarted, before)
    assert {name: after[name] for name in after if after[name] != before["account"][name]} == {}
    assert after["mount targets"]["MountTargets"][0]["NetworkInterfaceId"] in str(after["interfaces"])


@pytest.mark.process
@pytest.mark.slow
def test_keys_still_decrypt_and_verify(restarted: Emulator, before: dict[str, Any]) -> None:
    kms = restarted.client("kms")
    assert kms.decrypt(CiphertextBlob=before["encrypted"])["Plaintext"] == PLAIN
    for spec in ("RSA_2048", "ECC_NIST_P256"):
        algorithm, signature = before[f"signature of {spec}"]
        signed = {"KeyId": before[spec], "Message": PLAIN, "SigningAlgorithm": algorithm}
        assert kms.verify(**signed, Signature=signature)["SignatureValid"]
        assert kms.verify(**signed, Signature=kms.sign(**signed)["Signature"])["SignatureValid"]


@pytest.mark.process
@pytest.mark.slow
def test_services_still_share_what_they_have(restarted: Emulator, before: dict[str, Any]) -> None:
    """Redshift looks for a subnet in EC2 itself, and not in a copy of it."""
    ec2, redshift = restarted.client("ec2"), restarted.client("redshift")
    vpc = ec2.create_vpc(CidrBlock="10.2.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.2.1.0/24")["Subnet"]["SubnetId"]
    group = {"ClusterSubnetGroupName": "later", "Description": "d", "SubnetIds": [subnet]}
    assert redshift.create_cluster_subnet_group(**group)["ClusterSubnetGroup"]["VpcId"] == vpc


class UnsavableBackend:
    def __init__(self) -> None:
        self.generator = (number for number in range(3))

    def run(self) -> None:
        """A method, but not of moto's."""


def test_what_cannot_be_saved_is_said_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    create(tmp_path / "state")
    file = StateFile(tmp_path / "state")
    state = MotoState(file, "200000000072", lambda service: (service, {"us-west-2": UnsavableBackend()}))
    call: Any = SimpleNamespace(service="sqs", operation="CreateQueue", is_internal=False)
    state.note(call)
    state.note(call)
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1 and "sqs has is not saved and ends with this emulator" in said[0]
    assert list(state.unsaved) == ["sqs"] and "generator" in state.unsaved["sqs"]
    file.close()


def test_a_pickle_can_name_only_methods_of_objects_of_moto() -> None:
    from moto.sqs.models import Queue

    queue = Queue.__new__(Queue)
    assert new_method(queue, "add_message").__self__ is queue
    not_moto = UnsavableBackend()
    for owner, name in ((queue, "__class__"), (queue, "no_such_method"), (not_moto, "run"), (pickle, "loads")):
        with pytest.raises(pickle.UnpicklingError):
            new_method(owner, name)
