// The scenario with the AWS SDK for JavaScript, version 3: `node javascript.mjs FOLDER SCENARIO` in the environment of an
// endpoint. SCENARIO is a file with the names that scenario.py has.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const [folder, scenarioFile] = process.argv.slice(2);
const scenario = JSON.parse(readFileSync(scenarioFile, "utf8"));
// The packages are in the cache of the clients, not next to this file.
const require = createRequire(join(process.env.CLIENT_PACKAGES, "package.json"));
const sdk = (name) => require(`@aws-sdk/client-${name}`);
const { IAM } = sdk("iam");
const { Lambda, waitUntilFunctionActiveV2 } = sdk("lambda");
const { CloudWatchLogs } = sdk("cloudwatch-logs");
const { S3 } = sdk("s3");
const { SageMaker, paginateListPipelineExecutionSteps } = sdk("sagemaker");
const { SQS } = sdk("sqs");
const { STS } = sdk("sts");

const iam = new IAM();
const lambda = new Lambda();
const logs = new CloudWatchLogs();
const s3 = new S3({ forcePathStyle: true });
const sagemaker = new SageMaker();
const sqs = new SQS();
const read = (name) => readFileSync(join(folder, name));

async function waitFor(status, wanted) {
  const deadline = Date.now() + scenario.patience_seconds * 1000;
  for (;;) {
    const current = await status();
    if (current === wanted) return;
    assert(Date.now() < deadline, `the status is still ${current}, not ${wanted}`);
    await sleep(200);
  }
}

async function create() {
  const role = await iam.createRole({ RoleName: scenario.role, AssumeRolePolicyDocument: read("trust.json").toString() });
  const policy = { RoleName: scenario.role, PolicyName: "all", PolicyDocument: read("policy.json").toString() };
  await iam.putRolePolicy(policy);
  const CreateBucketConfiguration = { LocationConstraint: scenario.region };
  await s3.createBucket({ Bucket: scenario.bucket, CreateBucketConfiguration });
  const Attributes = { VisibilityTimeout: String(scenario.visibility_seconds) };
  const { QueueUrl } = await sqs.createQueue({ QueueName: scenario.queue, Attributes });
  for (const [name, runtime, handler, code] of scenario.functions) {
    await lambda.createFunction({
      FunctionName: name,
      Runtime: runtime,
      Handler: handler,
      Role: role.Role.Arn,
      Timeout: scenario.function_seconds,
      Code: { ZipFile: read(code) },
    });
    await waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 60 }, { FunctionName: name });
  }
  const { UUID } = await lambda.createEventSourceMapping({
    FunctionName: scenario.python,
    EventSourceArn: scenario.queue_arn,
    BatchSize: 1,
  });
  await sagemaker.createPipeline({
    PipelineName: scenario.pipeline,
    RoleArn: role.Role.Arn,
    PipelineDefinition: read("definition.json").toString(),
    ClientRequestToken: "0123456789abcdef0123456789abcdef",
  });
  return { UUID, QueueUrl };
}

async function start(values) {
  const PipelineParameters = Object.entries(values).map(([Name, Value]) => ({ Name, Value }));
  const started = await sagemaker.startPipelineExecution({ PipelineName: scenario.pipeline, PipelineParameters });
  return started.PipelineExecutionArn;
}

const status = async (PipelineExecutionArn) =>
  (await sagemaker.describePipelineExecution({ PipelineExecutionArn })).PipelineExecutionStatus;

async function steps(PipelineExecutionArn) {
  const found = {};
  // Small pages, so that the tokens are used.
  for await (const page of paginateListPipelineExecutionSteps({ client: sagemaker, pageSize: 1 }, { PipelineExecutionArn }))
    for (const step of page.PipelineExecutionSteps) found[step.StepName] = step;
  return found;
}

async function checkOutputs(execution) {
  const found = await steps(execution);
  const outputs = (name, type) =>
    Object.fromEntries(found[name].Metadata[type].OutputParameters.map(({ Name, Value }) => [Name, String(Value)]));
  assert.deepEqual({ ...outputs("Greet", "Lambda"), ...outputs("Count", "Lambda"), ...outputs("Wait", "Callback") }, scenario.outputs);
}

async function run() {
  const succeeding = await start(scenario.success);
  await waitFor(() => status(succeeding), "Succeeded");
  await checkOutputs(succeeding);

  const failing = await start(scenario.retry);
  await waitFor(() => status(failing), "Failed");
  assert.equal((await steps(failing)).Count.StepStatus, "Failed");
  await s3.putObject({ Bucket: scenario.bucket, Key: scenario.marker, Body: read(scenario.marker) });
  await sagemaker.retryPipelineExecution({ PipelineExecutionArn: failing });
  await waitFor(() => status(failing), "Succeeded");
  await checkOutputs(failing);

  const waiting = await start(scenario.stop);
  await waitFor(async () => (await steps(waiting)).Wait?.StepStatus, "Executing");
  await sagemaker.stopPipelineExecution({ PipelineExecutionArn: waiting });
  await waitFor(() => status(waiting), "Stopped");
}

async function remove({ UUID, QueueUrl }) {
  await sagemaker.deletePipeline({ PipelineName: scenario.pipeline });
  await lambda.deleteEventSourceMapping({ UUID });
  for (const [FunctionName] of scenario.functions) {
    await lambda.deleteFunction({ FunctionName });
    await logs.deleteLogGroup({ logGroupName: `/aws/lambda/${FunctionName}` });
  }
  await sqs.deleteQueue({ QueueUrl });
  const { Contents = [] } = await s3.listObjectsV2({ Bucket: scenario.bucket });
  await s3.deleteObjects({ Bucket: scenario.bucket, Delete: { Objects: Contents.map(({ Key }) => ({ Key })) } });
  await s3.deleteBucket({ Bucket: scenario.bucket });
  await iam.deleteRolePolicy({ RoleName: scenario.role, PolicyName: "all" });
  await iam.deleteRole({ RoleName: scenario.role });
}

const { Arn } = await new STS().getCallerIdentity();
assert.equal(Arn, `arn:aws:iam::${scenario.account}:root`);
const created = await create();
await run();
await remove(created);
