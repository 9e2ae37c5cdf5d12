"""The container of a training job: the developer guide's contract, and the script mode of AWS's training toolkit.

https://github.com/aws/sagemaker-training-toolkit describes the SM_* variables and how hyperparameters become arguments
of a script.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ....step_answers import StepAnswer
from .activity import Contract, JobError, JobInput, JobOutput
from .folder import JobFolder

_HOST, _NETWORK = "algo-1", "lo"
_RESOURCES = {"current_host": _HOST, "hosts": [_HOST], "network_interface_name": _NETWORK}
_PACKED = "/opt/ml/packed"


class TrainingContract(Contract):
    log_group = "/aws/sagemaker/TrainingJobs"

    def inputs(self, stand_ins: Mapping[str, Path]) -> Iterator[JobInput]:
        for channel in self._channels():
            name = str(channel.get("ChannelName"))
            source = (channel.get("DataSource") or {}).get("S3DataSource")
            uri = str(source.get("S3Uri")) if isinstance(source, dict) and _is_prefix(source) else ""
            if not uri and name not in stand_ins:
                raise JobError(f"channel '{name}' is no S3Prefix in S3; name a stand-in for it in `inputs`")
            yield JobInput(name, uri, f"/opt/ml/input/data/{name}")

    def files(self) -> Iterator[tuple[str, object]]:
        yield "/opt/ml/input/config/hyperparameters.json", self._hyperparameters()
        yield "/opt/ml/input/config/inputdataconfig.json", self._input_config()
        yield "/opt/ml/input/config/resourceconfig.json", _RESOURCES

    def folders(self) -> Iterator[str]:
        for path in ("input/data", "model", "output/data", "code"):
            yield f"/opt/ml/{path}"

    def variables(self, folder: JobFolder, answer: StepAnswer) -> dict[str, str]:
        given = self.arguments.get("Environment") or {}
        named = {"TRAINING_JOB_NAME": self.job_name, "TRAINING_JOB_ARN": self.job_arn}
        return {**named, **self._toolkit_variables(folder, answer), **{key: str(value) for key, value in given.items()}}

    def extra_arguments(self) -> list[str]:
        """Return the hyperparameters as the toolkit gives them to a script, if the job is in script mode."""
        return self._user_arguments() if "sagemaker_program" in self._hyperparameters() else []

    def outputs(self, folder: JobFolder) -> Iterator[JobOutput]:
        target = folder.real(_PACKED)
        target.mkdir()
        _pack(folder.real("/opt/ml/model"), target / "model.tar.gz")
        data = folder.real("/opt/ml/output/data")
        if any(data.iterdir()):
            _pack(data, target / "output.tar.gz")
        output = self.arguments.get("OutputDataConfig") or {}
        yield JobOutput(_PACKED, f"{str(output.get('S3OutputPath', '')).rstrip('/')}/{self.job_name}/output")

    def failure_file(self) -> str:
        return "/opt/ml/output/failure"

    def _channels(self) -> list[dict[str, Any]]:
        return [entry for entry in self.arguments.get("InputDataConfig") or () if isinstance(entry, dict)]

    def _hyperparameters(self) -> dict[str, str]:
        return {str(key): str(value) for key, value in (self.arguments.get("HyperParameters") or {}).items()}

    def _input_config(self) -> dict[str, Any]:
        mode = (self.arguments.get("AlgorithmSpecification") or {}).get("TrainingInputMode", "File")
        return {str(channel.get("ChannelName")): _channel_config(channel, mode) for channel in self._channels()}

    def _user_hyperparameters(self) -> dict[str, Any]:
        """Return the script's own hyperparameters, read as the toolkit reads them: as JSON where they are JSON."""
        given = self._hyperparameters().items()
        return {key: _read_json(text) for key, text in given if not key.startswith("sagemaker_")}

    def _user_arguments(self) -> list[str]:
        words: list[str] = []
        for key, value in sorted(self._user_hyperparameters().items()):
            words += [f"-{key}" if len(key) == 1 else f"--{key}", value if isinstance(value, str) else _as_word(value)]
        return words

    def _toolkit_variables(self, folder: JobFolder, answer: StepAnswer) -> dict[str, str]:
        user = self._user_hyperparameters()
        given = self._hyperparameters()
        names = [str(channel.get("ChannelName")) for channel in self._channels()]
        channels = {name: f"/opt/ml/input/data/{name}" for name in names}
        program = _read_json(given.get("sagemaker_program", '""')) or (answer.run[-1] if answer.run else "")
        values: dict[str, Any] = {
            "SM_MODEL_DIR": folder.shown("/opt/ml/model"),
            "SM_OUTPUT_DIR": folder.shown("/opt/ml/output"),
            "SM_OUTPUT_DATA_DIR": folder.shown("/opt/ml/output/data"),
            "SM_INPUT_DIR": folder.shown("/opt/ml/input"),
            "SM_INPUT_CONFIG_DIR": folder.shown("/opt/ml/input/config"),
            "SM_CHANNELS": sorted(channels),
            "SM_HPS": user,
            "SM_HOSTS": [_HOST],
            "SM_CURRENT_HOST": _HOST,
            "SM_NUM_CPUS": os.cpu_count() or 1,
            "SM_NUM_GPUS": 0,
            "SM_LOG_LEVEL": _read_json(given.get("sagemaker_container_log_level", "20")),
            "SM_NETWORK_INTERFACE_NAME": _NETWORK,
            "SM_USER_ARGS": self._user_arguments(),
            "SM_USER_ENTRY_POINT": program,
            "SM_MODULE_NAME": Path(str(program)).stem,
            "SM_MODULE_DIR": _read_json(given.get("sagemaker_submit_directory", '""')) or str(answer.source or ""),
            "SM_RESOURCE_CONFIG": _RESOURCES,
            "SM_INPUT_DATA_CONFIG": self._input_config(),
            **{f"SM_CHANNEL_{name.upper()}": folder.shown(path) for name, path in channels.items()},
            **{f"SM_HP_{name.upper()}": value for name, value in user.items()},
        }
        values["SM_TRAINING_ENV"] = {
            "channel_input_dirs": {name: folder.shown(path) for name, path in channels.items()},
            "current_host": _HOST,
            "hosts": [_HOST],
            "hyperparameters": user,
            "input_config_dir": values["SM_INPUT_CONFIG_DIR"],
            "input_data_config": values["SM_INPUT_DATA_CONFIG"],
            "input_dir": values["SM_INPUT_DIR"],
            "job_name": self.job_name,
            "model_dir": values["SM_MODEL_DIR"],
            "module_dir": values["SM_MODULE_DIR"],
            "module_name": values["SM_MODULE_NAME"],
            "num_cpus": values["SM_NUM_CPUS"],
            "num_gpus": 0,
            "output_data_dir": values["SM_OUTPUT_DATA_DIR"],
            "output_dir": values["SM_OUTPUT_DIR"],
            "resource_config": _RESOURCES,
            "user_entry_point": program,
        }
        return {name: value if isinstance(value, str) else _compact(value) for name, value in values.items()}


def _is_prefix(source: Mapping[str, Any]) -> bool:
    return bool(source.get("S3DataType", "S3Prefix") == "S3Prefix")


def _channel_config(channel: Mapping[str, Any], mode: str) -> dict[str, Any]:
    source = (channel.get("DataSource") or {}).get("S3DataSource") or {}
    config = {
        "TrainingInputMode": channel.get("InputMode") or mode,
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType") or "None",
    }
    return {**config, "ContentType": channel["ContentType"]} if channel.get("ContentType") else config


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _as_word(value: object) -> str:
    """Return a value as an argument: the toolkit writes Python's True and False, and JSON for lists and objects."""
    return str(value) if isinstance(value, bool | int | float) or value is None else _compact(value)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _pack(folder: Path, target: Path) -> None:
    """Write a gzipped tar with the content of a folder at its root."""
    with tarfile.open(target, "w:gz") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
