"""The step types that executions can run. A new one is its module and a line here, or a line in `simple_jobs`."""

from .automl import AutoMLStep
from .base import StepType
from .callback import CallbackStep
from .checks import ClarifyCheckStep, QualityCheckStep
from .condition import ConditionStep
from .emr import EmrServerlessStep, EmrStep
from .fail import FailStep
from .function import LambdaStep
from .lineage import LineageStep
from .model import ModelStep, RegisterModelStep
from .processing import ProcessingStep
from .simple_jobs import SIMPLE_JOBS
from .training import TrainingStep
from .tuning import TuningStep

STEP_TYPES: tuple[type[StepType], ...] = (
    AutoMLStep,
    CallbackStep,
    ClarifyCheckStep,
    ConditionStep,
    EmrServerlessStep,
    EmrStep,
    FailStep,
    LambdaStep,
    LineageStep,
    ModelStep,
    ProcessingStep,
    QualityCheckStep,
    RegisterModelStep,
    TrainingStep,
    TuningStep,
    *SIMPLE_JOBS,
)
