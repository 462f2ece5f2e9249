"""The optimizer: test-time search for a persona that measurably helps."""

from persona_agent.optimizer.config import OptimizerConfig
from persona_agent.optimizer.engine import Evaluate, Search
from persona_agent.optimizer.optimizer import PersonaOptimizer

__all__ = ["Evaluate", "OptimizerConfig", "PersonaOptimizer", "Search"]
