"""The files that stages pass to one another: their format, provenance and staleness, and saved states; imports no torch."""

from pruning_oracle.bench.runs.files import RUNS as RUNS
from pruning_oracle.bench.runs.files import TRAINED as TRAINED
from pruning_oracle.bench.runs.files import Arrays as Arrays
from pruning_oracle.bench.runs.files import RunFile as RunFile
from pruning_oracle.bench.runs.files import digest as digest
from pruning_oracle.bench.runs.files import folder as folder
from pruning_oracle.bench.runs.files import load as load
from pruning_oracle.bench.runs.files import save as save
from pruning_oracle.bench.runs.kinds import run_file as run_file
from pruning_oracle.bench.runs.provenance import processor as processor
from pruning_oracle.bench.runs.provenance import provenance as provenance
from pruning_oracle.bench.runs.staleness import is_current as is_current
from pruning_oracle.bench.runs.staleness import measured_by as measured_by
from pruning_oracle.bench.runs.staleness import stamp as stamp
from pruning_oracle.bench.runs.writing import beside as beside
from pruning_oracle.bench.runs.writing import check_writable as check_writable
from pruning_oracle.bench.runs.writing import write_atomically as write_atomically
