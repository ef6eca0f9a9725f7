"""Generated cases: the same few in every `make test`, and new ones as long as `make fuzz` has time.

@cases(40)
@given(shapes(), st.sampled_from("fd"))
def test_…
"""

import os
import time

import pytest
from hypothesis import HealthCheck, settings

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))  # for all generated tests together
SEED = int(os.environ.get("FUZZ_SEED") or time.time())  # of the first turn of each; the next turn has the next


def cases(count):
    """Draw `count` cases: always the same ones, or new ones when fuzzing, where a failure prints how to repeat it."""
    drawn = settings(
        max_examples=count,
        deadline=None,  # a first call compiles
        derandomize=not SECONDS,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    return lambda test: pytest.mark.generated(drawn(test))
