"""The optimizer: test-time search for a persona that measurably helps."""

from persona_agent.optimizer.config import OptimizerConfig
from persona_agent.optimizer.engine import Search
from persona_agent.optimizer.optimizer import PersonaOptimizer
from persona_agent.optimizer.trials import Evaluate

__all__ = ["Evaluate", "OptimizerConfig", "PersonaOptimizer", "Search"]
