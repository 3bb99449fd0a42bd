"""The dashboards, in the order in which people reach for them."""

from deploy.grafana.boards.duty_board import DUTY
from deploy.grafana.boards.norm_board import NORM
from deploy.grafana.boards.operations_board import OPERATIONS
from deploy.grafana.boards.pipeline_board import PIPELINE
from deploy.grafana.boards.prober_board import PROBER
from deploy.grafana.boards.provider_board import PROVIDER

__all__ = ["BOARDS"]

BOARDS = (DUTY, NORM, PROVIDER, OPERATIONS, PROBER, PIPELINE)
