"""What a configuration says, as frozen data, and what each of its keys means: the one definition of the configuration.

A new key is a field here and a line in the configuration files. The schema that every file is checked against, its
copy for editors (`schema.json`) and `docs/reference/configuration.md` come from this module; `make reference` writes
the last two. Nothing here reads files or checks values. Field names are the keys of the YAML file. Paths are absolute.
"""

# No `from __future__ import annotations`: the schema is made from the types themselves.

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import Problem
from .document import Document, KeyPath
from .keys import Form, key

Target = Literal["aws", "local"]
PolicyScope = Literal["all", "resources"]
ParameterValue = str | int | float | bool
Architecture = Literal["x86_64", "arm64"]
Tracing = Literal["Active", "PassThrough"]
ExceptionType = Literal[
    "Step.SERVICE_FAULT",
    "Step.THROTTLING",
    "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.CAPACITY_ERROR",
    "SageMaker.RESOURCE_LIMIT",
    "Emr.RESOURCE_LIMIT",
]
CleanupItem = Literal["pipeline", "queue", "bucket", "function", "lambda_role", "sagemaker_role"]
CleanupPolicy = Literal["ask", "all", "none"] | tuple[CleanupItem, ...]
LogRetention = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]

_HANDLER = Form(
    r"^(?=.{1,128}$)[A-Za-z_]\w*([./][A-Za-z_]\w*)*\.[A-Za-z_]\w*$",
    "module.function, such as handler.lambda_handler, at most 128 characters",
)
_ROLE_ARN = Form(
    r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/([!-~]+/)?[A-Za-z0-9_+=,.@-]{1,64}$",
    "the ARN of an IAM role, such as arn:aws:iam::123456789012:role/deployer",
)
_ROLE = Form(
    r"^(arn:aws[a-z-]*:iam::[0-9]{12}:role/([!-~]+/)?)?[A-Za-z0-9_+=,.@-]{1,64}$",
    "a role name of 1 to 64 letters, digits and _+=,.@-, or the ARN of a role",
)
_QUEUE_NAME = Form(r"^[A-Za-z0-9_-]{1,80}$", "1 to 80 letters, digits, hyphens and underscores (no .fifo)")
_KEY = Form(r"^[a-z][a-z0-9_]{0,29}$", "1 to 30 lower-case letters, digits and underscores, a letter first")
# The keys are the user's own words, and part of the names that are derived from them.
_KEYS = {"pattern": _KEY.pattern, "patternErrorMessage": _KEY.words}
_PREFIX = r"^(?=.{1,512}$)([A-Za-z0-9!_.*'()-]+/)+$"

# IAM's statements, as far as a role's policy may have them.
_ACTION = {
    "type": "string",
    "pattern": r"\$\{|^(\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+)$",
    "patternErrorMessage": "service:Action, such as s3:GetObject",
}
_RESOURCE = {
    "type": "string",
    "pattern": r"\$\{|^(\*|arn:[!-~]{1,2000})$",
    "patternErrorMessage": "an ARN, such as arn:aws:s3:::my-bucket/*, or *",
}
_SUBNET = {
    "type": "string",
    "pattern": r"\$\{|^subnet-[0-9a-z]+$",
    "patternErrorMessage": "the id of a subnet, such as subnet-0123456789abcdef0",
}
_SECURITY_GROUP = {
    "type": "string",
    "pattern": r"\$\{|^sg-[0-9a-zA-Z]+$",
    "patternErrorMessage": "the id of a security group, such as sg-0123456789abcdef0",
}
_LAYER = {
    "type": "string",
    "pattern": r"\$\{|^arn:[^:\s]+:lambda:[^:\s]+:[0-9]{12}:layer:[A-Za-z0-9_-]{1,140}:[0-9]+$",
    "patternErrorMessage": "the ARN of a layer with its version, such as "
    "arn:aws:lambda:us-west-2:123456789012:layer:geometry:3",
}
_STATEMENT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["Effect", "Action", "Resource"],
    "properties": {
        "Sid": {
            "type": "string",
            "pattern": r"\$\{|^[A-Za-z0-9]{1,128}$",
            "patternErrorMessage": "1 to 128 letters and digits",
        },
        "Effect": {"enum": ["Allow", "Deny"]},
        "Action": {
            "description": "One, or a list of at least one.",
            "oneOf": [_ACTION, {"type": "array", "minItems": 1, "items": _ACTION}],
        },
        "Resource": {
            "description": "One, or a list of at least one.",
            "oneOf": [_RESOURCE, {"type": "array", "minItems": 1, "items": _RESOURCE}],
        },
        "Condition": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": {
                    "type": ["string", "number", "boolean", "array"],
                    "items": {"type": ["string", "number", "boolean"]},
                },
            },
        },
    },
}
# Where a property stands in the description of a step's job.
_PROPERTY_PATH = {
    "pattern": r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+|\[[0-9]+\]|\['[^']+'\]|\[\"[^\"]+\"\])*$",
    "patternErrorMessage": "the path of a property, such as ModelArtifacts.S3ModelArtifacts or Outputs['train'].S3Uri",
}


@dataclass(frozen=True)
class AssumeRole:
    """A role to assume before the first call."""

    role_arn: str = field(
        metadata=key(
            "ARN of the role to assume; it must be in the account `account_id`.",
            form=_ROLE_ARN,
            examples=["arn:aws:iam::123456789012:role/deployer"],
        )
    )
    external_id: str | None = field(
        metadata=key(
            "External id, where the role's trust policy asks for one.",
            default=None,
            form=Form(r"^[A-Za-z0-9_+=,.@:/-]{2,1224}$", "2 to 1,224 letters, digits and _+=,.@:/-"),
            examples=[None, "geopipe-4711"],
        )
    )
    session_name: str = field(
        metadata=key(
            "Name of the session, as CloudTrail shows it.",
            default="geopipe",
            form=Form(r"^[A-Za-z0-9_+=,.@-]{2,64}$", "2 to 64 letters, digits and _+=,.@-"),
            examples=["geopipe"],
        )
    )


@dataclass(frozen=True)
class RoleConfig:
    """A role that geopipe manages, or one given by its ARN that is used and never changed."""

    name: str
    arn: str | None
    managed: bool


@dataclass(frozen=True)
class IamConfig:
    """The two roles."""

    scope: PolicyScope = field(
        metadata=key(
            "`all`: the Lambda role's policy says `Resource: \"*\"`, as AWS's example does. `resources`: it is "
            "narrowed to what this deployment uses.",
            default="all",
            examples=["resources"],
        )
    )
    permissions_boundary: str | None = field(
        metadata=key(
            "ARN of a policy to set as permissions boundary on the roles geopipe creates.",
            default=None,
            form=Form(
                r"^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[!-~]{1,512}$",
                "the ARN of an IAM policy, such as arn:aws:iam::123456789012:policy/boundary",
            ),
            examples=[None, "arn:aws:iam::123456789012:policy/boundary"],
        )
    )
    lambda_role: RoleConfig = field(
        metadata=key(
            "Role of the Lambda functions: a name (geopipe creates and keeps the role), or an ARN (the role is used "
            "as it is and never changed). null: the deployment's name with `-lambda-role` added.",
            default=None,
            written=str | None,
            form=_ROLE,
            examples=["SageMakerExampleLambdaRole", "arn:aws:iam::123456789012:role/existing"],
        )
    )
    sagemaker_role: RoleConfig = field(
        metadata=key(
            "Role of the pipeline and the geospatial jobs: a name or an ARN, as `lambda_role`. null: the deployment's "
            "name with `-sagemaker-role` added.",
            default=None,
            written=str | None,
            form=_ROLE,
            examples=["SageMakerExampleRole"],
        )
    )
    propagation_timeout: float = field(
        metadata=key(
            "Seconds to keep trying while AWS spreads a new role or policy; usually a few suffice.",
            default=300,
            minimum=0,
            maximum=3600,
            examples=[300],
        )
    )


@dataclass(frozen=True)
class QueueConfig:
    """The callback queue and its dead-letter queue."""

    name: str = field(
        metadata=key(
            "Name of the callback queue. FIFO queues cannot serve callback steps. null: the deployment's name with "
            "`-queue` added, in `queues` with a hyphen and the queue's key.",
            default=None,
            written=str | None,
            form=_QUEUE_NAME,
            examples=[None, "sagemaker-sdk-example-queue"],
        )
    )
    dead_letter_name: str = field(
        metadata=key(
            "Name of the dead-letter queue. null: the queue's name with `-dlq` added.",
            default=None,
            written=str | None,
            form=_QUEUE_NAME,
            examples=[None, "callbacks-dead"],
        )
    )
    url: str | None = field(
        metadata=key(
            "URL of an existing queue, which is used as it is: never changed, tagged or deleted. Its dead-letter queue "
            "is its owner's. With it, leave the other keys out. For `job.kind: custom`.",
            default=None,
            form=Form(
                r"^https?://[^/?#@\s]+/[0-9]{12}/[A-Za-z0-9_-]{1,80}$",
                "the URL of a queue (no .fifo), such as https://sqs.us-west-2.amazonaws.com/123456789012/approvals",
            ),
            examples=[None, "https://sqs.us-west-2.amazonaws.com/123456789012/approvals"],
        )
    )
    arn: str | None = field(
        metadata=key(
            "The same by its ARN.",
            default=None,
            form=Form(
                r"^arn:[^:\s]+:sqs:[^:\s]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}$",
                "the ARN of a queue (no .fifo), such as arn:aws:sqs:us-west-2:123456789012:approvals",
            ),
            examples=[None, "arn:aws:sqs:us-west-2:123456789012:approvals"],
        )
    )
    visibility_timeout: int = field(
        metadata=key(
            "Seconds a received message stays hidden. At least the function's timeout; AWS recommends six times that.",
            default=300,
            minimum=0,
            maximum=43200,
            examples=[300],
        )
    )
    max_receive_count: int = field(
        metadata=key(
            "How often a message is received before it goes to the dead-letter queue. Each check of an unfinished "
            "job counts, so a small number ends long jobs early.",
            default=1000,
            minimum=1,
            maximum=1000,
            examples=[1000],
        )
    )

    @property
    def is_used(self) -> bool:
        """Returns whether the queue is made by others, and only used."""
        return self.url is not None or self.arn is not None

    @property
    def work_name(self) -> str:
        """Returns the name of the queue of parts, for jobs that work in parts."""
        return f"{self.name}-work"

    @property
    def work_dead_letter_name(self) -> str:
        """Returns the name of the dead-letter queue behind the queue of parts."""
        return f"{self.work_name}-dlq"


@dataclass(frozen=True)
class BucketConfig:
    """The bucket for input and output. Its name is "" where there is none."""

    name: str = field(
        metadata=key(
            "Name of the bucket, unique in all of AWS: put the account id into it. null: no bucket, for "
            "`job.kind: custom` only. Then there are no input, no results to show, and no zips of more than 50 MB.",
            default=None,
            written=str | None,
            form=Form(
                r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
                "3 to 63 lower-case letters, digits, hyphens and dots, beginning and ending with a letter or digit",
            ),
            examples=["geopipe-${account_id}-${region}"],
        )
    )
    managed: bool = field(
        metadata=key(
            "Whether geopipe creates, changes and deletes the bucket. With `false`, it has to exist: geopipe puts the "
            "input and the results into it and changes nothing else.",
            default=True,
            examples=[True, False],
        )
    )
    name_timeout: float = field(
        metadata=key(
            "Seconds to wait for the name of a bucket that was deleted a short while ago. S3 needs up to an hour.",
            default=900,
            minimum=0,
            maximum=7200,
            examples=[900],
        )
    )
    force_destroy: bool = field(
        metadata=key(
            "Whether cleanup deletes the bucket even when it holds objects outside our input and output prefixes.",
            default=False,
            examples=[False],
        )
    )


@dataclass(frozen=True)
class VpcConfig:
    """The network that the function is in."""

    subnet_ids: tuple[str, ...] = field(
        metadata=key(
            "The subnets. Without a NAT gateway or endpoints for its services, the function reaches nothing in AWS.",
            maxItems=16,
            uniqueItems=True,
            items=_SUBNET,
            examples=[["subnet-0123456789abcdef0"]],
        )
    )
    security_group_ids: tuple[str, ...] = field(
        metadata=key(
            "The security groups.",
            maxItems=5,
            uniqueItems=True,
            items=_SECURITY_GROUP,
            examples=[["sg-0123456789abcdef0"]],
        )
    )


@dataclass(frozen=True)
class FunctionConfig:
    """A Lambda function. The files of its sources together are its code."""

    name: str = field(
        metadata=key(
            "Name of the function. null: the deployment's name with `-function` added, in `functions` with a hyphen "
            "and the function's key.",
            default=None,
            written=str | None,
            form=Form(r"^[A-Za-z0-9_-]{1,64}$", "1 to 64 letters, digits, hyphens and underscores"),
            examples=[None, "SageMakerExampleFunction"],
        )
    )
    arn: str | None = field(
        metadata=key(
            "ARN of an existing function, without a version or alias. It is used as it is: never changed, tagged or "
            "deleted. With it, leave out the other keys but `queue` and `batch_size`. For `job.kind: custom`.",
            default=None,
            form=Form(
                r"^arn:[^:\s]+:lambda:[^:\s]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}$",
                "the ARN of a function, such as arn:aws:lambda:us-west-2:123456789012:function:prepare",
            ),
            examples=[None, "arn:aws:lambda:us-west-2:123456789012:function:prepare"],
        )
    )
    queue: str | None = field(
        metadata=key(
            "The key in `queues` of the queue whose messages the function receives; with the short form, `queue`. "
            "One queue feeds one function. null: with `function` and `queue`, that queue; otherwise none.",
            default=None,
            form=_KEY,
            examples=[None, "approvals"],
        )
    )
    source: tuple[Path, ...] = field(
        metadata=key(
            "Folder whose content becomes the function's code, or a list of folders and files. A file lies at the "
            "top of the function's zip; two sources may not hold the same name. The function sees this, the "
            "packages of `requirements`, Python's standard library and boto3, nothing else. "
            "Default: geopipe's own `lambda/` folder. With `job.kind: "
            "map_rows`, that folder is always there, and this adds your own modules.",
            default="../lambda",
            written=str | tuple[str, ...],
            minLength=1,
            minItems=1,
            uniqueItems=True,
            items={"type": "string", "minLength": 1},
            examples=["../lambda", ["code", "../lambda/callbacks.py"]],
        )
    )
    requirements: Path | None = field(
        metadata=key(
            "A requirements file of pip. Its packages become part of the function's code: wheels for `runtime` and "
            "`architecture` with target `aws`, for this machine's Python with target `local`. They stay in the folder "
            "`geopipe/packages` of the user's cache (`XDG_CACHE_HOME`, else `~/.cache`), so that only a changed file "
            "needs pip and its index. null: none.",
            default=None,
            written=str | None,
            minLength=1,
            examples=[None, "requirements.txt"],
        )
    )
    follow_links: bool = field(
        metadata=key(
            "Whether the code may contain links to files outside of its folder. The zip then has copies of them.",
            default=False,
            examples=[True],
        )
    )
    handler: str = field(
        metadata=key(
            "Module and function in that folder that Lambda calls.",
            default="handler.lambda_handler",
            form=_HANDLER,
            examples=["handler.lambda_handler"],
        )
    )
    runtime: str = field(
        metadata=key(
            "Lambda's Python runtime.",
            default="python3.13",
            form=Form(r"^python3\.[0-9]{1,2}$", "a Python 3 runtime of Lambda, such as python3.13"),
            examples=["python3.13"],
        )
    )
    architecture: Architecture | None = field(
        metadata=key(
            "The processor that the function runs on. null leaves it as it is, which is x86_64 for a new function. "
            "With target `local` the function runs on this machine.",
            default=None,
            examples=["arm64"],
        )
    )
    image_uri: str | None = field(
        metadata=key(
            "A container image in Amazon ECR that is the function, in place of `source`, `requirements`, `handler` and "
            "`runtime`. Name it by its digest: a new image behind the same tag is no change that geopipe sees. For "
            "`job.kind: custom` only. With target `local`, `emulator.functions` names code that stands in for it.",
            default=None,
            form=Form(
                r"^[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/[a-z0-9._/-]+(:[\w.-]+|@sha256:[0-9a-f]{64})$",
                "the URI of an image in Amazon ECR with its tag or digest",
            ),
            examples=[None],
        )
    )
    layers: tuple[str, ...] | None = field(
        metadata=key(
            "ARNs of layer versions, in their order; `[]` removes all. null leaves them as they are. With target "
            "`local`, publish them on an emulator that keeps running.",
            default=None,
            maxItems=5,
            uniqueItems=True,
            items=_LAYER,
            examples=[None, ["arn:aws:lambda:us-west-2:123456789012:layer:geometry:3"]],
        )
    )
    vpc: VpcConfig | None = field(
        metadata=key(
            "The VPC that the function is in; two empty lists take it out of its VPC. null leaves it as it is. For "
            "target `aws` only.",
            default=None,
            examples=[None],
        )
    )
    ephemeral_storage: int | None = field(
        metadata=key(
            "MB of space in `/tmp`. null leaves it as it is, which is 512 for a new function. Offline, `/tmp` is in "
            "memory, or without a limit where the system allows no mount namespaces.",
            default=None,
            minimum=512,
            maximum=10240,
            examples=[None, 2048],
        )
    )
    reserved_concurrency: int | None = field(
        metadata=key(
            "How many invocations of the function run at the same time at most. The account's limit then has as many "
            "less for all other functions. null leaves it as it is.",
            default=None,
            minimum=1,
            examples=[None, 5],
        )
    )
    tracing: Tracing | None = field(
        metadata=key(
            "`Active` sends traces to AWS X-Ray; geopipe then allows it in the policy of the role that it manages. "
            "null leaves it as it is, which is PassThrough for a new function. Offline nothing is traced.",
            default=None,
            examples=[None, "Active"],
        )
    )
    kms_key: str | None = field(
        metadata=key(
            "ARN of the KMS key that encrypts the environment. null leaves it as it is, which is Lambda's own key for "
            "a new function. Offline nothing is encrypted.",
            default=None,
            form=Form(r"^arn:[^:\s]+:kms:[^:\s]+:[0-9]{12}:key/\S+$", "the ARN of a KMS key"),
            examples=[None, "arn:aws:kms:us-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"],
        )
    )
    timeout: int = field(
        metadata=key("Seconds one invocation may take.", default=30, minimum=1, maximum=900, examples=[30])
    )
    memory: int = field(metadata=key("Memory in MB.", default=256, minimum=128, maximum=10240, examples=[256]))
    environment: Mapping[str, str] = field(
        metadata=key(
            "Environment variables in addition to geopipe's own. Names and values are text.",
            default={},
            examples=[{"LOG_LEVEL": "DEBUG"}],
        )
    )
    policy_statements: tuple[Mapping[str, Any], ...] = field(
        metadata=key(
            "What the function may do in addition to what every function needs (queue, log, answers to callbacks): "
            "IAM statements with Effect, Action, Resource and, optionally, Condition and Sid. geopipe adds them to "
            "the policy of the role that it manages.",
            default=[],
            items=_STATEMENT,
            examples=[[{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::my-bucket/*"}]],
        )
    )
    log_retention_days: int = field(
        metadata=key("Days to keep the function's log.", default=14, written=LogRetention, examples=[14])
    )
    batch_size: int = field(
        metadata=key(
            "Most messages one invocation takes from the queue.", default=10, minimum=1, maximum=10, examples=[10]
        )
    )

    @property
    def is_used(self) -> bool:
        """Returns whether the function is made by others, and only used."""
        return self.arn is not None

    @property
    def log_group(self) -> str:
        """Returns the group Lambda writes to; AWS derives it from the function's name."""
        return f"/aws/lambda/{self.name}"

    @property
    def worker_name(self) -> str:
        """Returns the name of the function that processes parts, for jobs that work in parts."""
        return f"{self.name}-worker"


@dataclass(frozen=True)
class PipelineConfig:
    """The pipeline and where its definition comes from."""

    name: str = field(
        metadata=key(
            "Name of the pipeline. null: the deployment's name with `-pipeline` added.",
            default=None,
            written=str | None,
            form=Form(
                r"^(?=.{1,256}$)[A-Za-z0-9](-*[A-Za-z0-9])*$",
                "1 to 256 letters, digits and hyphens, with no hyphen at either end",
            ),
            examples=["sagemaker-sdk-example-pipeline"],
        )
    )
    description: str = field(
        metadata=key(
            "Description of the pipeline, as SageMaker Studio shows it.",
            default="Reverse geocoding with Lambda and callback steps",
            form=Form(
                r"^[^\n\r\u0085\u2028\u2029]*$", "one line of text (for a long one in YAML, `>-` instead of `>` or `|`)"
            ),
            maxLength=3072,
            examples=["Addresses for the field survey"],
        )
    )
    template: Path = field(
        metadata=key(
            "Template (Jinja) of the pipeline's definition, or a definition as plain JSON. null: geopipe's own for "
            "`job.kind` and `job.provider`.",
            default=None,
            written=str | None,
            minLength=1,
            examples=["../pipeline_templates/reverse_geocoding.json.j2"],
        )
    )
    parameters: Mapping[str, ParameterValue] = field(
        metadata=key(
            "Pipeline parameters that add to those that geopipe sets, or replace them: text, numbers, true or false.",
            default={},
            propertyNames={
                "pattern": "^[A-Za-z0-9_-]{1,64}$",
                "patternErrorMessage": "1 to 64 letters, digits, hyphens and underscores",
            },
            examples=[{"parameter_region": "us-west-2"}],
        )
    )
    policy_statements: tuple[Mapping[str, Any], ...] = field(
        metadata=key(
            "What the pipeline may do in addition to calling its functions, sending to its queues and using its "
            "bucket: IAM statements with Effect, Action, Resource and, optionally, Condition and Sid. A pipeline that "
            "starts jobs needs their actions, such as sagemaker:CreateProcessingJob, and iam:PassRole on the roles "
            "that it gives them. geopipe adds the statements to the policy of the role that it manages.",
            default=[],
            items=_STATEMENT,
            examples=[[{"Effect": "Allow", "Action": ["sagemaker:CreateProcessingJob"], "Resource": "*"}]],
        )
    )
    experiments: bool = field(
        metadata=key(
            "Whether executions are recorded as SageMaker experiments. Nothing deletes those afterwards.",
            default=False,
            examples=[False],
        )
    )


Provider = Literal["sagemaker_geospatial", "gazetteer", "amazon_location"]


@dataclass(frozen=True)
class JobConfig:
    """What the pipeline does."""

    kind: Literal["reverse_geocoding", "map_rows", "map_matching", "custom"] = field(
        metadata=key(
            "`reverse_geocoding`: addresses for coordinates. `provider` says who finds them. `map_rows`: your own "
            "function for rows (`transform`), over a CSV of any size, in parts. `map_matching`: the roads to the "
            "positions of vehicles, by SageMaker geospatial; for target `aws` only. `custom`: what your own function "
            "(`function.source`) and template (`pipeline.template`) do. The results are the CSV files that it writes "
            "below the run's output prefix.",
            default="reverse_geocoding",
            examples=["reverse_geocoding"],
        )
    )
    provider: Provider = field(
        metadata=key(
            "Who finds the addresses of kind `reverse_geocoding`. `sagemaker_geospatial`: a job of SageMaker "
            "geospatial, for accounts that AWS has enrolled. `gazetteer`: the function itself, with the places of "
            "GeoNames; it works in every account. `amazon_location`: the function asks Amazon Location Service; it "
            "works in every account, and each request is paid for.",
            default="sagemaker_geospatial",
            examples=["gazetteer"],
        )
    )
    longitude_column: str = field(
        metadata=key(
            "Name of the longitude column: in the input, or with kind `custom` in the results, if they have one.",
            default="Longitude",
            minLength=1,
            maxLength=255,
            examples=["Longitude"],
        )
    )
    latitude_column: str = field(
        metadata=key(
            "Name of the latitude column, in the same file.",
            default="Latitude",
            minLength=1,
            maxLength=255,
            examples=["Latitude"],
        )
    )
    id_column: str = field(
        metadata=key(
            "Kind `map_matching`: name of the column that says which positions are of one trip.",
            default="Id",
            minLength=1,
            maxLength=255,
            examples=["Id"],
        )
    )
    timestamp_column: str = field(
        metadata=key(
            "Kind `map_matching`: name of the column with the time of each position.",
            default="Timestamp",
            minLength=1,
            maxLength=255,
            examples=["Timestamp"],
        )
    )
    transform: str | None = field(
        metadata=key(
            "Kind `map_rows`: the module in `function.source` that has the function `transform`. It gets a list of "
            "rows (each a dict of column and text), and returns one dict with `columns` for each row, or None for a "
            "row that it cannot process.",
            default=None,
            form=Form(r"^(?=.{1,128}$)[A-Za-z_][A-Za-z0-9_]*$", "the name of a Python module, such as depots"),
            examples=["depots"],
        )
    )
    columns: tuple[str, ...] = field(
        metadata=key(
            "Kind `map_rows`: the columns that `transform` adds to each row.",
            default=[],
            uniqueItems=True,
            items={"type": "string", "minLength": 1, "maxLength": 255},
            examples=[["depot", "kilometers"]],
        )
    )
    workers: int = field(
        metadata=key(
            "For jobs that work in parts: how many workers may run at the same time.",
            default=10,
            minimum=2,
            maximum=1000,
            examples=[10],
        )
    )
    worker_timeout: int = field(
        metadata=key(
            "For jobs that work in parts: seconds that one invocation of a worker may take. A worker that runs short "
            "of time stores its progress, and another invocation continues.",
            default=300,
            minimum=30,
            maximum=900,
            examples=[300],
        )
    )
    worker_memory: int = field(
        metadata=key(
            "For jobs that work in parts: memory of a worker in MB.",
            default=512,
            minimum=128,
            maximum=10240,
            examples=[512],
        )
    )
    part_size_mb: int = field(
        metadata=key(
            "For jobs that work in parts: size of a part of the input in MB (1,048,576 bytes). Its results must fit on "
            "the worker's disk, which has 512 MB unless `function.ephemeral_storage` gives it more.",
            default=8,
            minimum=1,
            maximum=256,
            examples=[8],
        )
    )
    max_requests_per_second: float = field(
        metadata=key(
            "Provider `amazon_location`: requests that all workers together send in a second. In a short time it can "
            "be as many more as there are workers, so keep the sum below the quota of the account (100 a second).",
            default=70,
            exclusiveMinimum=0,
            maximum=10000,
            examples=[70],
        )
    )
    price_per_1000: float | None = field(
        metadata=key(
            "Provider `amazon_location`: what 1,000 requests cost, in any currency. The plan then shows the bill. null "
            "shows none: geopipe knows no prices.",
            default=None,
            minimum=0,
            examples=[None, 0.5],
        )
    )
    confirm_above_requests: int | None = field(
        metadata=key(
            "Provider `amazon_location`: a run with more requests than this is confirmed first, with `--yes-cost` if "
            "no one can be asked. null: 100000.",
            default=None,
            minimum=0,
            examples=[None, 1000000],
        )
    )
    max_invalid_share: float = field(
        metadata=key(
            "Largest share of result rows that the job may mark as invalid. With more, the run fails (exit code 3). "
            "A run without any valid row always fails.",
            default=1.0,
            minimum=0,
            maximum=1,
            examples=[0.05],
        )
    )


@dataclass(frozen=True)
class S3Location:
    """An object in S3."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """Returns `s3://bucket/key`."""
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class InputConfig:
    """A local file that is uploaded under `prefix`, or an object that is used where it is and never deleted.

    For jobs of geopipe's own, there always is one.
    """

    source: Path | S3Location | None = field(
        metadata=key(
            "A local CSV file, which is uploaded, or `s3://bucket/key`, which is used where it is and never deleted. "
            "null: geopipe's own sample; with `job.kind: custom`, no input.",
            default=None,
            written=str | None,
            minLength=1,
            examples=["../resources/latlongtest.csv", "s3://survey-data/points.csv"],
        )
    )
    prefix: str = field(
        metadata=key(
            "Where in the bucket an uploaded input goes.",
            default="input/",
            form=Form(
                _PREFIX,
                "folder names that each end with a slash, such as input/ (no slash at the front, no double slash)",
            ),
            examples=["input/"],
        )
    )
    delimiter: Literal[",", ";", "\t", "|"] | None = field(
        metadata=key(
            "Delimiter of a local input. null: it is detected. The file is converted to commas for the upload.",
            default=None,
            examples=[";"],
        )
    )
    encoding: str | None = field(
        metadata=key(
            "Encoding of a local input, by a name that Python knows. null: it is detected. The file is converted to "
            "UTF-8 for the upload.",
            default=None,
            form=Form(r"^[A-Za-z0-9_-]{1,40}$", "an encoding such as utf-8, latin-1 or utf-16"),
            examples=["latin-1"],
        )
    )


@dataclass(frozen=True)
class OutputConfig:
    """Where results go, and how many rows of them are shown."""

    prefix: str = field(
        metadata=key(
            "Where in the bucket results go; each run adds its own id.",
            default="output/",
            form=Form(
                _PREFIX,
                "folder names that each end with a slash, such as output/ (no slash at the front, no double slash)",
            ),
            examples=["output/"],
        )
    )
    preview_rows: int = field(
        metadata=key("How many rows of the result to print.", default=5, minimum=0, maximum=1000, examples=[5])
    )


@dataclass(frozen=True)
class ExecutionConfig:
    """How the execution is watched. All in seconds."""

    poll_interval: float = field(
        metadata=key(
            "Time between two checks of the execution.", default=10, exclusiveMinimum=0, maximum=3600, examples=[10]
        )
    )
    timeout: float = field(
        metadata=key(
            "How long to wait for the execution to end.",
            default=3600,
            exclusiveMinimum=0,
            maximum=2419200,
            examples=[3600],
        )
    )
    callback_deadline: int = field(
        metadata=key(
            "How long one callback may stay unanswered before the function stops the job and fails the step.",
            default=14400,
            minimum=1,
            maximum=57600,
            examples=[14400],
        )
    )


@dataclass(frozen=True)
class OfflineStep:
    """What a pipeline step does on the emulator, if only AWS can run it."""

    succeed: Mapping[str, Any] | None = field(
        metadata=key(
            "Properties of the step, by their path, in addition to those that follow from its arguments. `{}` if those "
            "are enough.",
            default=None,
            propertyNames=_PROPERTY_PATH,
            examples=[{"ModelArtifacts.S3ModelArtifacts": "s3://my-bucket/model.tar.gz"}],
        )
    )
    property_files: Mapping[str, Path] = field(
        metadata=key(
            "Files on this machine that the step writes as its property files, by the name of the property file. "
            "`Std:JsonGet` reads them. For `succeed` only: a script that `run` names writes its own.",
            default={},
            written=Mapping[str, str],
            examples=[{"Report": "evaluation.json"}],
        )
    )
    outputs: Mapping[str, Path] = field(
        metadata=key(
            "Files and folders on this machine that the step leaves in S3, by the path of the property that has the S3 "
            "URI. A file becomes the object at the URI, and the content of a folder goes below it. For `succeed` only.",
            default={},
            written=Mapping[str, str],
            propertyNames=_PROPERTY_PATH,
            examples=[{"ModelArtifacts.S3ModelArtifacts": "model.tar.gz", "OutputDataConfig.S3OutputPath": "results"}],
        )
    )
    fail: str | None = field(
        metadata=key(
            "The reason with which the step fails. null: it does not fail.",
            default=None,
            minLength=1,
            maxLength=1024,
            examples=[None, "no capacity"],
        )
    )
    times: int | None = field(
        metadata=key(
            "How often the step fails before it succeeds, or runs. null: always.",
            default=None,
            minimum=1,
            examples=[None, 1],
        )
    )
    exception: ExceptionType | None = field(
        metadata=key(
            "The type of the failure, by which the retry policies of the step decide. null: all of them cover it.",
            default=None,
            examples=[None, "SageMaker.CAPACITY_ERROR"],
        )
    )
    run: tuple[str, ...] | None = field(
        metadata=key(
            "A command that runs in place of the container, as a process on this machine: Processing and Training "
            "steps only. `python` is the Python that geopipe runs with. null: no process.",
            default=None,
            minItems=1,
            items={"type": "string", "minLength": 1},
            examples=[None, ["python", "preprocess.py"]],
        )
    )
    source: Path = field(
        metadata=key(
            "The folder in which `run` starts. Default: the folder of the configuration.",
            default=".",
            written=str,
            minLength=1,
            examples=["../preprocess"],
        )
    )
    environment: Mapping[str, str] = field(
        metadata=key(
            "Environment variables of `run` in addition to those that the step and its container have.",
            default={},
            examples=[{"OMP_NUM_THREADS": "1"}],
        )
    )
    inputs: Mapping[str, Path] = field(
        metadata=key(
            "Files and folders on this machine that `run` gets in place of inputs in S3, by the name of the input or "
            "the channel.",
            default={},
            written=Mapping[str, str],
            examples=[{"input-1": "../data/sample.csv"}],
        )
    )


@dataclass(frozen=True)
class OfflineFunction:
    """The code that stands in for a container image on the emulator. The keys are those of a function."""

    source: tuple[Path, ...] = field(
        metadata=key(
            "Folder or files with the code, as `function.source`.",
            written=str | tuple[str, ...],
            minLength=1,
            minItems=1,
            uniqueItems=True,
            items={"type": "string", "minLength": 1},
            examples=["offline/steps"],
        )
    )
    requirements: Path | None = field(
        metadata=key(
            "A requirements file of pip, as `function.requirements`.",
            default=None,
            written=str | None,
            minLength=1,
            examples=[None, "requirements.txt"],
        )
    )
    follow_links: bool = field(
        metadata=key(
            "Whether the code may contain links to files outside of its folder.", default=False, examples=[True]
        )
    )
    handler: str = field(
        metadata=key(
            "Module and function that the emulator calls.",
            default="handler.lambda_handler",
            form=_HANDLER,
            examples=["handler.lambda_handler"],
        )
    )


@dataclass(frozen=True)
class EmulatorConfig:
    """How the emulator behaves. The emulator's own settings have the same names and defaults."""

    time_scale: float = field(
        metadata=key(
            "Real seconds per second that a queue, a batching window or a retry waits; 1 is real time. Functions run "
            "in real time, and a message stays hidden in real time while a function works on it.",
            default=1,
            exclusiveMinimum=0,
            maximum=1,
            examples=[0.02],
        )
    )
    job_initializing_seconds: float = field(
        metadata=key("How long a job shows INITIALIZING at least.", default=0, minimum=0, examples=[2])
    )
    job_seconds: float = field(
        metadata=key("How long a job shows IN_PROGRESS at least.", default=0, minimum=0, examples=[5])
    )
    export_seconds: float = field(
        metadata=key("How long an export shows IN_PROGRESS at least.", default=0, minimum=0, examples=[5])
    )
    iam: Literal["off", "enforce"] = field(
        metadata=key(
            "`enforce`: a role may do only what its policies say, as on AWS; `off`: only its trust policy counts.",
            default="off",
            examples=["enforce"],
        )
    )
    iam_propagation_seconds: float = field(
        metadata=key(
            "How long other services do not know a new or changed role or policy.", default=0, minimum=0, examples=[3]
        )
    )
    queue_deleted_seconds: float = field(
        metadata=key(
            "How long the name of a deleted queue cannot be used again; 60 on AWS.", default=0, minimum=0, examples=[60]
        )
    )
    geospatial_refusal: str = field(
        metadata=key(
            "The error code with which SageMaker geospatial refuses the account, as it does accounts that AWS has not "
            "enrolled. `none`: the account is enrolled.",
            default="none",
            form=Form(r"^[A-Za-z0-9]{1,80}$", "none, or an error code of AWS, such as AccessDeniedException"),
            examples=["AccessDeniedException"],
        )
    )
    places_requests_per_second: float = field(
        metadata=key(
            "Quota of Amazon Location's ReverseGeocode, in requests per second. Requests above it are throttled.",
            default=100,
            exclusiveMinimum=0,
            examples=[20],
        )
    )
    duplicate_deliveries: float = field(
        metadata=key(
            "The share of batches that an event source mapping delivers twice.",
            default=0,
            minimum=0,
            maximum=1,
            examples=[0.2],
        )
    )
    faults: float = field(
        metadata=key(
            "The share of API calls that fail or are slow on purpose: throttling, 500, 503, lost connection, slowness.",
            default=0,
            minimum=0,
            maximum=1,
            examples=[0.1],
        )
    )
    fault_seed: int = field(
        metadata=key(
            "Seed of the faults: with the same seed, the same calls fail in the same way.",
            default=0,
            minimum=0,
            examples=[7],
        )
    )
    fault_kinds: str = field(
        metadata=key(
            "Which faults happen, separated by commas.",
            default="throttle,500,503,reset,slow",
            examples=["throttle,503"],
        )
    )
    function_pending_seconds: float = field(
        metadata=key(
            "How long a new function stays Pending, and an updated one InProgress.", default=0, minimum=0, examples=[1]
        )
    )
    mapping_creating_seconds: float = field(
        metadata=key(
            "How long an event source mapping stays Creating, Updating or Deleting.", default=0, minimum=0, examples=[1]
        )
    )
    state_dir: Path | None = field(
        metadata=key(
            "Folder that keeps the account between commands, relative to this file. The next command finds what this "
            "one leaves. null: each command begins with an empty account.",
            default=None,
            written=str | None,
            minLength=1,
            examples=[None, ".geopipe"],
        )
    )
    steps: Mapping[str, OfflineStep] = field(
        metadata=key(
            "What pipeline steps do that the emulator does not run by itself, by the name of the step or its type: all "
            "but Lambda, Callback, Condition and Fail. An entry for a name goes before one for a type.",
            default={},
            examples=[{"Training": {"succeed": {}}, "Preprocess": {"run": ["python", "preprocess.py"]}}],
        )
    )
    functions: Mapping[str, OfflineFunction] = field(
        metadata=key(
            "Code that stands in for functions with an `image_uri`, which the emulator cannot run: by the key in "
            "`functions`, or `function` for the short form. Target `aws` runs the image.",
            default={},
            examples=[{"function": {"source": "offline/steps"}}],
        )
    )


@dataclass(frozen=True)
class Config:
    """One deployment: one file, one account, one region."""

    path: Path
    extends: str | None = field(
        metadata=key(
            "Another configuration, relative to this file. What this file says goes before what that one says: "
            "sections are merged key by key, and any other value replaces the one there, lists included. That file may "
            "extend a third one. Paths in each file are relative to that file. null: none.",
            default=None,
            examples=[None, "base.yaml"],
        )
    )
    deployments: Mapping[str, Any] | None = field(
        metadata=key(
            "Several deployments in one file, by name: each has the keys of its own, and shares the rest of the file. "
            "The name is its `deployment`. Sections are merged as with `extends`. null: the file is one deployment.",
            default=None,
            examples=[None, {"places-eu": {"region": "eu-west-1"}, "places-us": {"region": "us-east-1"}}],
        )
    )
    deployment: str = field(
        metadata=key(
            "Name of this deployment. It becomes the value of the tag `geopipe:deployment`, which marks what belongs "
            "to it, and part of the IAM path of its roles and policies.",
            form=Form(
                r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$",
                "1 to 40 lower-case letters, digits and hyphens, with no hyphen at either end",
            ),
            examples=["local", "addresses-test"],
        )
    )
    target: Target = field(
        metadata=key(
            "Where the pipeline runs: `aws`, or `local`, which is the emulator that comes with geopipe.",
            examples=["local"],
        )
    )
    endpoint: str | None = field(
        metadata=key(
            "URL that all calls go to. With target `local`, null starts an emulator for the length of the command, "
            "and a loopback URL uses one that is already running. With target `aws`, null means AWS itself.",
            default=None,
            form=Form(r"^https?://[^/?#@\s]+/?$", "a URL of scheme, host and port only, such as http://127.0.0.1:4599"),
            examples=[None, "http://127.0.0.1:4599"],
        )
    )
    region: str = field(
        metadata=key(
            "AWS region of everything. SageMaker geospatial jobs exist in us-west-2 only.",
            form=Form(r"^(eusc-)?[a-z]{2}(-[a-z]+)+-[0-9]$", "the code of an AWS region, such as us-west-2"),
            examples=["us-west-2"],
        )
    )
    account_id: str = field(
        metadata=key(
            "The account this file is meant for, as a quoted string. Nothing is done in any other account.",
            form=Form(
                r"^[0-9]{12}$",
                "12 digits in quotes; `aws sts get-caller-identity --query Account --output text` prints yours",
            ),
            examples=["123456789012"],
        )
    )
    profile: str | None = field(
        metadata=key(
            "Profile of your AWS configuration to take credentials from. null leaves the choice to the environment. "
            "Not used by target `local`.",
            default=None,
            form=Form(r"^\S(.{0,126}\S)?$", "the name of a profile in your AWS configuration"),
            examples=[None, "research"],
        )
    )
    assume_role: AssumeRole | None = field(
        metadata=key(
            "A role to assume before the first call, on top of the profile's or the environment's credentials. Not "
            "used by target `local`.",
            default=None,
            examples=[None],
        )
    )
    tags: Mapping[str, str] = field(
        metadata=key(
            "Tags for everything that can carry them, in addition to geopipe's own. Keys and values are text.",
            default={},
            examples=[{"team": "maps", "cost-center": "1234"}],
        )
    )
    iam: IamConfig = field(metadata=key("The two roles, and the scope of their policies.", default={}))
    queue: QueueConfig = field(
        metadata=key(
            "The SQS queue between the pipeline's callback steps and the function, and its dead-letter queue.",
            default={},
        )
    )
    queues: Mapping[str, QueueConfig] | None = field(
        metadata=key(
            "Several queues, by a key of your own, in place of `queue`; for `job.kind: custom`. Each has the keys of "
            "`queue`. `{}`: none. null: the one of `queue`; with `functions`, none if `queue` is left out too.",
            default=None,
            propertyNames=_KEYS,
            examples=[None, {"approvals": {"visibility_timeout": 60}}],
        )
    )
    bucket: BucketConfig = field(metadata=key("The S3 bucket for input and output.", default={}))
    function: FunctionConfig = field(
        metadata=key("The Lambda function that starts jobs and answers callbacks.", default={})
    )
    functions: Mapping[str, FunctionConfig] | None = field(
        metadata=key(
            "Several functions, by a key of your own, in place of `function`; for `job.kind: custom`. Each has the "
            "keys of `function`. `{}`: none. null: the one of `function`.",
            default=None,
            propertyNames=_KEYS,
            examples=[None, {"prepare": {"source": "prepare"}, "approve": {"source": "approve", "queue": "approvals"}}],
        )
    )
    pipeline: PipelineConfig = field(
        metadata=key("The SageMaker pipeline and the template of its definition.", default={})
    )
    job: JobConfig = field(metadata=key("What the pipeline does.", default={}))
    input: InputConfig = field(metadata=key("What the pipeline works on.", default={}))
    output: OutputConfig = field(metadata=key("The results.", default={}))
    execution: ExecutionConfig = field(metadata=key("How the execution is watched. All in seconds.", default={}))
    cleanup: CleanupPolicy = field(
        metadata=key(
            "What to delete at the end: `ask` about each, `all`, `none`, or a list of what to delete.",
            default="ask",
            minItems=1,
            uniqueItems=True,
            examples=["ask", ["pipeline", "queue", "function"]],
        )
    )
    protect: bool = field(
        metadata=key(
            "Whether nothing of the deployment is deleted before its name was typed, or given with `--confirm`.",
            default=False,
            examples=[False, True],
        )
    )
    emulator: EmulatorConfig = field(
        metadata=key(
            "How the emulator behaves, when the command starts it itself (target `local`, no endpoint).", default={}
        )
    )
    # What it was made from, for problems that show only later. No value may be taken from there.
    document: Document = field(repr=False, compare=False)
    # Values that came from environment variables, which no plan may show.
    secrets: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    # Those of them that have the name of a secret, which no text may show, such as a line that a function logs.
    named_secrets: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    # The name of its entry in `deployments`, if the file has several.
    entry: str = ""

    @property
    def argument(self) -> str:
        """Returns how a command line names this configuration."""
        return f"{self.path} --only {self.entry}" if self.entry else str(self.path)

    @property
    def shown_names(self) -> frozenset[str]:
        """Returns the values that name what every plan shows, wherever they came from."""
        functions, queues = self.every_function.values(), self.every_queue.values()
        return frozenset(
            {
                self.deployment,
                self.account_id,
                self.region,
                self.bucket.name,
                *(name for queue in queues for name in (queue.name, queue.dead_letter_name)),
                *(function.name for function in functions),
                self.pipeline.name,
                self.iam.lambda_role.name,
                self.iam.sagemaker_role.name,
            }
        )

    @property
    def every_function(self) -> Mapping[str, FunctionConfig]:
        """Returns all functions by their keys; the one of the short form has the key `function`."""
        return {"function": self.function} if self.functions is None else self.functions

    @property
    def every_queue(self) -> Mapping[str, QueueConfig]:
        """Returns all queues by their keys; the one of the short form has the key `queue`."""
        return {"queue": self.queue} if self.queues is None else self.queues

    def queue_of(self, key: str) -> str | None:
        """Returns the key of the queue that a function receives messages from; None if there is none."""
        named = self.every_function[key].queue
        return "queue" if named is None and self.functions is None and self.queues is None else named

    @property
    def embedded(self) -> bool:
        """Whether the emulator lives only as long as the command: local, and no endpoint given."""
        return self.target == "local" and self.endpoint is None

    @property
    def forgets(self) -> bool:
        """Whether the account is empty when a command begins, and gone when it ends."""
        return self.embedded and self.emulator.state_dir is None

    def problem(self, key: KeyPath, what: str, valid: str) -> Problem:
        """Returns a problem at that key, or at the nearest section above it that the file has."""
        return self.document.problem(self.document.key_position(key), what, valid)
