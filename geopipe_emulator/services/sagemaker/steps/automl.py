"""The AutoML step. The best candidate and where its files lie are made up; an answer can say better."""

from __future__ import annotations

from typing import Any

from .base import Task
from .job import JobStep, arguments_of


class AutoMLStep(JobStep):
    name = "AutoML"
    operation = "CreateAutoMLJob"
    required = ("InputDataConfig", "OutputDataConfig", "RoleArn")
    resource = "automl-job/{name}"
    prefix = "AutoMLJob"
    metadata_key = "AutoMLJob"
    cached = (
        "AutoMLJobConfig.CompletionCriteria",
        "AutoMLJobConfig.CandidateGenerationConfig",
        "AutoMLJobConfig.DataSplitConfig",
        "AutoMLJobConfig.Mode",
        "AutoMLJobObjective",
        "InputDataConfig",
        "ProblemType",
    )

    def describe(self, task: Task) -> dict[str, Any]:
        output = arguments_of(task)["OutputDataConfig"]
        folder = f"{str(output.get('S3OutputPath', '')).rstrip('/')}/{self.job_name(task)}"
        reports = {
            "ModelInsightsJsonReportPath": f"{folder}/model_monitor/statistics.json",
            "ExplainabilityJsonReportPath": f"{folder}/explainability/analysis.json",
        }
        container = {"Image": "automl", "ModelDataUrl": f"{folder}/model.tar.gz", "Environment": {}}
        candidate = {
            "CandidateName": f"{self.job_name(task)}-1",
            "CandidateStatus": "Completed",
            "InferenceContainers": [container],
        }
        return {**super().describe(task), "BestCandidate": candidate, "BestCandidateProperties": reports}
