#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The parsers under libFuzzer: every input of the kept corpora, then a few seconds of new ones. `make fuzz` goes on for longer."""
import glob
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 4

for source in sorted(glob.glob(os.path.join(HERE, "fuzz_*.c"))):
    name = os.path.basename(source)[5:-2]
    corpus = os.path.join(HERE, "corpus", name)
    program = os.path.join(BUILD, "tests", "fuzz", f"fuzz_{name}")
    if not os.path.exists(program):
        skip(f"fuzz_{name} is not built: clang's fuzzer runtime (libclang-rt-dev) is not there", 2)
        continue
    kept = run([program, "-runs=0", corpus], timeout=60, cwd=tmpdir())
    ok(kept.rc == 0 and len(os.listdir(corpus)) >= 20, f"every_kept_input_of_{name}_is_taken_without_a_finding", kept)
    new = run([program, f"-max_total_time={SECONDS}", "-max_len=2048", "-timeout=10", tmpdir(), corpus], timeout=60, cwd=tmpdir())
    ok(new.rc == 0 and "DONE" in new.err, f"{SECONDS}_seconds_of_new_inputs_to_{name}_find_nothing", new)
done()
