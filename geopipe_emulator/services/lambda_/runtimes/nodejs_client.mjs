// Runs a Node.js handler: takes invocations from Lambda's Runtime API and returns what the handler returns.
//
// It uses Node's standard library only, and finds everything in the environment variables that AWS sets, too.

import fs from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { Writable } from "node:stream";
import { pathToFileURL } from "node:url";
import util from "node:util";

const [HOST, PORT] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const TASK_ROOT = process.env.LAMBDA_TASK_ROOT;
const ROOT_PATH = "/2018-06-01/runtime";
const IS_JSON_LOG = process.env.AWS_LAMBDA_LOG_FORMAT === "JSON";
// An idle connection does not keep the process alive; Node's agent sees to that.
const AGENT = new http.Agent({ keepAlive: true, maxSockets: 1 });
const STREAMS = Symbol("geopipe.streams");
const LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
const LOWEST_LEVEL = Math.max(LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL), 0);

let currentRequestId = "";

class HandlerError extends Error {
  constructor(name, message) {
    super(message);
    this.name = name;
  }
}

// Logs. Each record is one event, also if it has several lines, so it is framed as AWS's runtimes do.

function writeRecord(text) {
  const body = Buffer.from(text + "\n");
  const header = Buffer.alloc(16);
  header.writeUInt32BE(0xa55a0003, 0);
  header.writeUInt32BE(body.length, 4);
  header.writeBigUInt64BE(BigInt(Date.now()) * 1000n, 8);
  writeAll(Buffer.concat([header, body]));
}

function writeAll(data) {
  let start = 0;
  while (start < data.length) {
    try {
      start += fs.writeSync(1, data, start);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

function log(level, values) {
  if (IS_JSON_LOG && LEVELS.indexOf(level) < LOWEST_LEVEL) return;
  const timestamp = new Date().toISOString();
  if (!IS_JSON_LOG) {
    writeRecord(`${timestamp}\t${currentRequestId || "undefined"}\t${level}\t${util.format(...values)}`);
    return;
  }
  const [first] = values;
  const isObject = values.length === 1 && typeof first === "object" && first !== null && !(first instanceof Error);
  const message = isObject ? first : util.format(...values);
  writeRecord(JSON.stringify({ timestamp, level, requestId: currentRequestId || undefined, message }));
}

for (const [method, level] of Object.entries({
  log: "INFO", info: "INFO", debug: "DEBUG", trace: "TRACE", warn: "WARN", error: "ERROR",
})) {
  console[method] = (...values) => log(level, values);
}

// The Runtime API

function call(method, target, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const all = body === undefined ? headers : { ...headers, "Content-Length": Buffer.byteLength(body) };
    const options = { host: HOST, port: PORT, path: ROOT_PATH + target, method, headers: all, agent: AGENT };
    const request = http.request(options, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts) }));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.setNoDelay(true);
    request.end(body);
  });
}

function describeError(error) {
  if (!(error instanceof Error)) {
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  }
  return { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? "").split("\n") };
}

function sendError(target, description) {
  const headers = {
    "Content-Type": "application/json",
    "Lambda-Runtime-Function-Error-Type": encodeURIComponent(description.errorType),
  };
  return call("POST", target, JSON.stringify(description), headers);
}

// Finding the handler

async function loadHandler(spelling) {
  const name = path.basename(spelling);
  const dot = name.indexOf(".");
  if (dot < 1 || dot === name.length - 1) {
    throw new HandlerError("Runtime.MalformedHandlerName", "Bad handler");
  }
  if (spelling.split(/[\\/]/).includes("..") || name.includes("..")) {
    throw new HandlerError("Runtime.MalformedHandlerName", `'${spelling}' is not a valid handler name.`);
  }
  const folder = path.resolve(TASK_ROOT, spelling.slice(0, spelling.length - name.length));
  const exportPath = name.slice(dot + 1).split(".");
  const loaded = await loadModule(folder, name.slice(0, dot));
  const handler = lookUp(loaded, exportPath) ?? lookUp(loaded.default, exportPath);
  if (handler === undefined) {
    throw new HandlerError("Runtime.HandlerNotFound", `${spelling} is undefined or not exported`);
  }
  if (typeof handler !== "function") {
    throw new HandlerError("Runtime.HandlerNotFound", `${spelling} is not a function`);
  }
  return handler;
}

function lookUp(value, names) {
  return names.reduce((nested, name) => nested?.[name], value);
}

async function loadModule(folder, name) {
  const require = createRequire(path.join(TASK_ROOT, "handler.js"));
  const base = path.join(folder, name);
  const candidates = ["", ".js", ".mjs", ".cjs"].map((suffix) => base + suffix);
  const file = candidates.find((candidate) => fs.statSync(candidate, { throwIfNoEntry: false })?.isFile());
  try {
    if (file === undefined && fs.existsSync(base)) return require(base);
    if (file === undefined) return require(require.resolve(name, { paths: [folder, TASK_ROOT] }));
    return isModule(file) ? await import(pathToFileURL(file).href) : require(file);
  } catch (error) {
    throw asLoadError(error);
  }
}

function isModule(file) {
  if (!file.endsWith(".js")) return file.endsWith(".mjs");
  for (let folder = path.dirname(file); folder.startsWith(TASK_ROOT); folder = path.dirname(folder)) {
    const description = path.join(folder, "package.json");
    if (fs.existsSync(description)) return JSON.parse(fs.readFileSync(description, "utf8")).type === "module";
  }
  return false;
}

function asLoadError(error) {
  if (error instanceof SyntaxError) {
    const syntax = new HandlerError("Runtime.UserCodeSyntaxError", `SyntaxError: ${error.message}`);
    syntax.stack = error.stack;
    return syntax;
  }
  if (!["MODULE_NOT_FOUND", "ERR_MODULE_NOT_FOUND"].includes(error?.code)) return error;
  let message = `Error: ${error.message}`;
  if (error.message.includes("@aws-sdk/")) {
    message += "\nThis emulator brings no AWS SDK for JavaScript: put the package into the function's zip.";
  }
  if (error.code === "ERR_MODULE_NOT_FOUND" && process.env.NODE_PATH) {
    message += "\nNode.js searches NODE_PATH, and so layers, for require() only, not for import.";
  }
  const missing = new HandlerError("Runtime.ImportModuleError", message);
  missing.stack = error.stack;
  return missing;
}

globalThis.awslambda = {
  ...globalThis.awslambda,
  // The response is collected: Invoke returns it as a whole.
  streamifyResponse: (handler) => Object.assign(handler, { [STREAMS]: true }),
};

// One invocation

function makeContext(headers, finish, fail) {
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  const clientContext = headers["lambda-runtime-client-context"];
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    clientContext: clientContext ? JSON.parse(clientContext) : undefined,
    identity: undefined,
    getRemainingTimeInMillis: () => deadline - Date.now(),
    succeed: finish,
    fail,
    done: (error, result) => (error == null ? finish(result) : fail(error)),
  };
}

// Resolves with the result of the handler, or rejects with its error: the first of promise, callback and context.
function run(handler, event, headers) {
  let whenIdle;
  const onIdle = () => whenIdle();
  const finished = new Promise((resolve, reject) => {
    const context = makeContext(headers, resolve, reject);
    whenIdle = () => resolve(null);
    process.once("beforeExit", onIdle);
    const callback = (error, result) => {
      const settle = () => (error == null ? resolve(result) : reject(error));
      if (context.callbackWaitsForEmptyEventLoop) whenIdle = settle;
      else setImmediate(settle);
    };
    try {
      const result = handler[STREAMS] ? stream(handler, event, context) : handler(event, context, callback);
      if (typeof result?.then === "function") result.then(resolve, reject);
    } catch (error) {
      reject(error);
    }
  });
  return finished.finally(() => process.removeListener("beforeExit", onIdle));
}

async function stream(handler, event, context) {
  const parts = [];
  const target = new Writable({
    write(part, encoding, done) {
      parts.push(Buffer.from(part, encoding));
      done();
    },
  });
  target.setContentType = () => {};
  await handler(event, target, context);
  if (!target.writableEnded) target.end();
  if (!target.writableFinished) await new Promise((resolve) => target.once("finish", resolve));
  return Buffer.concat(parts);
}

function serialize(result) {
  if (Buffer.isBuffer(result)) return result;
  return JSON.stringify(result === undefined ? null : result) ?? "null";
}

async function serve(handler) {
  for (;;) {
    const { headers, body } = await call("GET", "/invocation/next");
    currentRequestId = headers["lambda-runtime-aws-request-id"];
    process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"];
    const target = `/invocation/${currentRequestId}`;
    try {
      const result = serialize(await run(handler, JSON.parse(body.toString()), headers));
      await call("POST", `${target}/response`, result, { "Content-Type": "application/json" });
    } catch (error) {
      const description = describeError(error);
      log("ERROR", ["Invoke Error", "\t", JSON.stringify(description)]);
      await sendError(`${target}/error`, description);
    }
  }
}

// What no handler catches ends the process, after the caller has got the error.
async function endWith(description, code) {
  const target = currentRequestId ? `/invocation/${currentRequestId}/error` : "/init/error";
  log("ERROR", [currentRequestId ? "Uncaught Exception" : "Init Error", "\t", JSON.stringify(description)]);
  await sendError(target, description).catch(() => {});
  process.exit(code);
}

process.on("uncaughtException", (error) => endWith(describeError(error), 129));
process.on("unhandledRejection", (reason) => {
  const message = reason instanceof Error ? reason.toString() : String(reason);
  const rejection = new HandlerError("Runtime.UnhandledPromiseRejection", message);
  endWith(describeError(rejection), 128);
});

try {
  // On its own: waiting for invocations must not be part of loading.
  const handler = await loadHandler(process.env._HANDLER);
  serve(handler).catch((error) => {
    // The emulator has ended, or this environment has.
    if (!["ECONNREFUSED", "ECONNRESET", "EPIPE"].includes(error?.code)) throw error;
    process.exit(0);
  });
} catch (error) {
  await endWith(describeError(error), 1);
}
