"""The studies of sets, in the order of every place that shows them: `told` is what one found, `section` that for papers."""

from pruning_oracle.reports.sections import (
    set_additivity,
    set_better,
    set_foretold,
    set_interactions,
    set_scores,
    set_sensitivity,
)

EVERY = (set_better, set_scores, set_additivity, set_sensitivity, set_interactions, set_foretold)
