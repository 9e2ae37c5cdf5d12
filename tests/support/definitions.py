"""A pipeline definition in the form of AWS's own sample."""

from __future__ import annotations

from typing import Any

SAMPLE: dict[str, Any] = {
    "Version": "2020-12-01",
    "Metadata": {},
    "Parameters": [
        {"Name": "role", "Type": "String", "DefaultValue": ""},
        {"Name": "queue", "Type": "String"},
    ],
    "PipelineExperimentConfig": {"ExperimentName": {"Get": "Execution.PipelineName"}},
    "Steps": [
        {
            "Name": "start",
            "Type": "Lambda",
            "Arguments": {"role": {"Get": "Parameters.role"}, "name": "x"},
            "FunctionArn": "*FUNCTION_ARN*",
            "OutputParameters": [
                {"OutputName": "statusCode", "OutputType": "String"},
                {"OutputName": "arn", "OutputType": "String"},
            ],
        },
        {
            "Name": "wait",
            "Type": "Callback",
            "Arguments": {"arn": {"Get": "Steps.start.OutputParameters['arn']"}},
            "DependsOn": ["start"],
            "SqsQueueUrl": {"Get": "Parameters.queue"},
            "OutputParameters": [{"OutputName": "status", "OutputType": "String"}],
        },
    ],
}
"""In the form AWS's own sample has, which is the commonest one to be used."""
