# The scenario's resources, and more of what Terraform reads at each refresh: aliases, layers, permissions, destinations.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.70"
    }
  }
}

# The endpoint and the credentials come from the environment.
provider "aws" {
  s3_use_path_style = true
}

variable "queue_url" {
  type = string
}

variable "definition" {
  type = string
}

variable "memory" {
  type    = number
  default = 128
}

locals {
  trust = jsonencode(jsondecode(file("trust.json")))
}

resource "aws_iam_role" "role" {
  name               = "client-role"
  path               = "/"
  assume_role_policy = local.trust
  tags               = { deployment = "client" }
}

resource "aws_iam_policy" "policy" {
  name   = "client-policy"
  policy = file("policy.json")
}

resource "aws_iam_role_policy_attachment" "attachment" {
  role       = aws_iam_role.role.name
  policy_arn = aws_iam_policy.policy.arn
}

resource "aws_sqs_queue" "dead_letters" {
  name = "client-queue-dlq"
}

resource "aws_sqs_queue" "queue" {
  name                       = "client-queue"
  visibility_timeout_seconds = 30
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = 3
  })
  tags = { deployment = "client" }
}

resource "aws_s3_bucket" "bucket" {
  bucket        = "client-bucket"
  force_destroy = true
  tags          = { deployment = "client" }
}

resource "aws_s3_bucket_versioning" "versioning" {
  bucket = aws_s3_bucket.bucket.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_object" "object" {
  bucket = aws_s3_bucket.bucket.id
  key    = "marker.txt"
  source = "marker.txt"
  etag   = filemd5("marker.txt")
}

resource "aws_lambda_layer_version" "layer" {
  layer_name          = "client-layer"
  filename            = "python.zip"
  compatible_runtimes = ["python3.12"]
}

resource "aws_cloudwatch_log_group" "logs" {
  for_each          = toset(["client-python", "client-node"])
  name              = "/aws/lambda/${each.key}"
  retention_in_days = 7
}

resource "aws_lambda_function" "python" {
  function_name    = "client-python"
  role             = aws_iam_role.role.arn
  runtime          = "python3.12"
  handler          = "handler.handle"
  filename         = "python.zip"
  source_code_hash = filebase64sha256("python.zip")
  timeout          = 20
  memory_size      = var.memory
  publish          = true
  layers           = [aws_lambda_layer_version.layer.arn]
  environment {
    variables = { STAGE = "test" }
  }
  depends_on = [aws_iam_role_policy_attachment.attachment, aws_cloudwatch_log_group.logs]
}

resource "aws_lambda_function" "node" {
  function_name    = "client-node"
  role             = aws_iam_role.role.arn
  runtime          = "nodejs20.x"
  handler          = "index.handle"
  filename         = "node.zip"
  source_code_hash = filebase64sha256("node.zip")
  timeout          = 20
  memory_size      = var.memory
  depends_on       = [aws_iam_role_policy_attachment.attachment, aws_cloudwatch_log_group.logs]
}

resource "aws_lambda_alias" "alias" {
  name             = "live"
  function_name    = aws_lambda_function.python.function_name
  function_version = aws_lambda_function.python.version
}

resource "aws_lambda_permission" "permission" {
  statement_id  = "from-role"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.python.function_name
  principal     = aws_iam_role.role.arn
}

resource "aws_lambda_function_event_invoke_config" "invocations" {
  function_name          = aws_lambda_function.python.function_name
  maximum_retry_attempts = 0
  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letters.arn
    }
  }
}

resource "aws_lambda_event_source_mapping" "mapping" {
  event_source_arn = aws_sqs_queue.queue.arn
  function_name    = aws_lambda_alias.alias.arn
  batch_size       = 1
  tags             = { deployment = "client" }
}

resource "aws_sagemaker_pipeline" "pipeline" {
  pipeline_name         = "client-pipeline"
  pipeline_display_name = "client-pipeline"
  role_arn              = aws_iam_role.role.arn
  pipeline_definition   = file(var.definition)
  tags                  = { deployment = "client" }
  depends_on            = [aws_lambda_function.node, aws_lambda_function.python]
}

output "queue_url" {
  value = aws_sqs_queue.queue.url
  precondition {
    condition     = aws_sqs_queue.queue.url == var.queue_url
    error_message = "The queue has the URL ${aws_sqs_queue.queue.url}, not ${var.queue_url}."
  }
}
