#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Libraries that a program loads with RTLD_DEEPBIND (PHP does so with its extensions) are not out of reach, and dlopen still
knows who called it."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from tap import *

FETCH = """
import ctypes, os, sys
curl = ctypes.CDLL("libcurl.so.4", mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
curl.curl_easy_init.restype = ctypes.c_void_p
handle = ctypes.c_void_p(curl.curl_easy_init())
curl.curl_easy_setopt(handle, ctypes.c_int(10002), ctypes.c_char_p(sys.argv[1].encode()))  # CURLOPT_URL
print("curl says", curl.curl_easy_perform(handle))
"""
peer = HttpPeer()
r = shock(f"to=127.0.0.1:{peer.port} reset=response", PYTHON, "-c", FETCH, peer.url())
is_(r.out, "curl says 56\n", "a_library_that_was_bound_deep_meets_the_fault", r)
is_(r.one("SELECT count(*) FROM exchange"), 1, "and_its_exchange_is_recorded", r)

# the run path is that of the caller
CALLER = '#include <dlfcn.h>\nint main(void) { return !dlopen("libfound.so", RTLD_NOW | RTLD_DEEPBIND); }\n'
there = tmpdir()
os.mkdir(os.path.join(there, "lib"))
run(["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", os.path.join(there, "lib", "libfound.so")], input="int found;\n")
run(["gcc", "-x", "c", "-", "-o", os.path.join(there, "caller"), "-Wl,--enable-new-dtags,-rpath,$ORIGIN/lib"], input=CALLER)
is_(run([os.path.join(there, "caller")]).rc, 0, "a_program_finds_its_library_along_its_run_path")
is_(shock((), os.path.join(there, "caller")).rc, 0, "and_finds_it_under_the_library_too")
done()
