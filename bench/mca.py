#!/usr/bin/env python3
"""Models the loops of the NEON microkernel with llvm-mca 22: cycles for four k-steps of a tile of
six rows, and the share of the bound of the FMA pipes. Run it in the root of the repository. It
needs Go and the Debian package llvm-22. Caches, prefetch and clocks are not in the model."""

import os
import re
import subprocess
import tempfile

KERNEL = "github.com/lamina-go/lamina/ops.panelNEON.abi0"
PIPES = {"neoverse-n1": 2, "neoverse-n2": 2, "neoverse-v1": 4, "neoverse-v2": 4}  # for FMLA
ITERATIONS = 1000


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def disassemble():
    """Returns the address and the text of each instruction of the microkernel."""
    with tempfile.TemporaryDirectory() as folder:
        binary = os.path.join(folder, "ops.test")
        run("go", "test", "-c", "-o", binary, "./ops",
            env=os.environ | {"GOOS": "linux", "GOARCH": "arm64", "CGO_ENABLED": "0"})
        text = run("llvm-objdump-22", "-d", "--no-show-raw-insn", "--disassemble-symbols=" + KERNEL, binary)
    return [(int(m[1], 16), m[2]) for m in re.finditer(r"^ *([0-9a-f]+):\s+(.*)$", text, re.M)]


def loops(code):
    """Yields the bodies of loops of 96 FMLA, without the prefetch that they mostly jump over."""
    for i, (at, text) in enumerate(code):
        branch = re.match(r"b\.ge\s+0x([0-9a-f]+)", text)
        if not branch or int(branch[1], 16) >= at:
            continue
        body, skip = [], 0
        for address, instruction in code[:i + 1]:
            if address < max(int(branch[1], 16), skip):
                continue
            forward = re.match(r"b\.ge\s+0x([0-9a-f]+)", instruction)
            if forward and int(forward[1], 16) > address:
                skip = int(forward[1], 16)
            body.append(re.sub(r"0x[0-9a-f]+ <.*>$", "loop", instruction))
        if sum(instruction.startswith("fmla") for instruction in body) == 96:
            yield body


def main():
    print("| loop | instructions | " + " | ".join(PIPES) + " |\n|---|---|" + "---|" * len(PIPES))
    for name, body in zip(["A by rows", "A by columns"], loops(disassemble()), strict=True):
        row = [name, str(len(body))]
        for cpu, pipes in PIPES.items():
            out = run("llvm-mca-22", "-mtriple=aarch64", "-mcpu=" + cpu, f"-iterations={ITERATIONS}",
                      "-instruction-info=0", "-resource-pressure=0", input="loop:\n" + "\n".join(body))
            cycles = int(re.search(r"Total Cycles:\s+(\d+)", out)[1]) / ITERATIONS
            row.append(f"{cycles:.1f}, {96 / pipes / cycles:.1%}")
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
