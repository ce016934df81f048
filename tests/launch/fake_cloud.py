"""A cloud in a folder: what `gcloud`, `xpk` and `kubectl` would answer.

Called under those names, it replays `script.json` of the folder FAKE_CLOUD:

    lives     one list a creation: what each look finds; the last word stays
    create    one error a creation, "" for none
    details   the provider's message for the word FAILED
    exits     attempt -> host -> exit code, written as soon as the attempt is started
    ssh       host -> how often ssh to it fails; "HOST!" -> the set-up itself fails
    silent    attempt -> hosts whose output stopped an hour ago
    blind     how many looks fail, from which one on: [first, count]
    unlisted  the bucket does not tell what is in it
    undeletable   how many deletions fail
    labels    of a TPU that is there from the beginning
    refuses   words of a command, such as "cp", that the user has no right to

All calls are kept in `calls.jsonl`, and what exists in `state.json`.
"""

import fcntl
import json
import os
import pathlib
import re
import shlex
import sys
import time

HOME = pathlib.Path(os.environ.get("FAKE_CLOUD", "/nowhere"))


class Answer(Exception):
    def __init__(self, code, out="", err=""):
        self.code, self.out, self.err = code, out, err


def main():
    program, words = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with (HOME / "calls.jsonl").open("a") as calls:
            calls.write(json.dumps([program, *words]) + "\n")
        script = json.loads((HOME / "script.json").read_text())
        path = HOME / "state.json"
        if path.exists():
            state = json.loads(path.read_text())
        else:
            state = {"creations": 0, "looks": 0, "deletions": 0, "tpu": None, "ssh": {}}
            if "labels" in script:
                state["tpu"] = {"labels": script["labels"], "life": ["ACTIVE"]}
        try:
            answer(program, words, script, state)
            code, out, err = 0, "", ""
        except Answer as given:
            code, out, err = given.code, given.out, given.err
        # The launcher may kill a look half-way: whole or not at all.
        path.with_suffix(".part").write_text(json.dumps(state))
        path.with_suffix(".part").replace(path)
    sys.stdout.write(out)
    sys.stderr.write(err)
    sys.exit(code)


def answer(program, words, script, state):
    flags = dict(
        re.findall(r"--([-a-z]+)(?:=(.*))?", word)[0]
        for word in words
        if word.startswith("--")
    )
    plain = [word for word in words if not word.startswith("--")]
    if set(plain) & set(script.get("refuses", ())):
        raise Answer(1, err="ERROR: (gcloud) PERMISSION_DENIED: not you\n")
    if program == "kubectl":
        look(script, state, "jobset")
    if "get-credentials" in plain:
        return
    if plain[:1] == ["storage"]:
        if plain[1] == "ls" and script.get("unlisted"):
            raise Answer(1, err="ERROR: (gcloud) PERMISSION_DENIED: storage\n")
        storage(plain[1:], flags)
        return
    verb = next(w for w in plain if w in ("create", "describe", "delete", "ssh"))
    if verb == "create":
        create(flags, script, state, program)
    elif verb == "describe":
        look(script, state, "queued" if "queued-resources" in plain else "node")
    elif verb == "delete":
        delete(script, state)
    else:
        ssh(plain[plain.index("ssh") + 1], flags, script, state)


def create(flags, script, state, program):
    count = state["creations"]
    state["creations"] += 1
    errors = script.get("create", [])
    error = errors[count] if count < len(errors) else ""
    if error.startswith("("):  # the answer is lost, the TPU is made
        error, made = error[1:-1], True
    else:
        made = not error
    if state["tpu"] is not None:
        raise Answer(1, err="ERROR: (gcloud) ALREADY_EXISTS: it already exists\n")
    if made:
        lives = script["lives"]
        life = list(lives[min(count, len(lives) - 1)])
        state["tpu"] = {
            "labels": flags.get("labels", ""),
            "life": life,
            "command": flags.get("command", ""),
        }
        if program == "xpk":
            run_remote(flags["command"], script, index=0, workers=range(99))
    if error:
        raise Answer(1, err=f"ERROR: (gcloud) {error}\n")


def look(script, state, kind):
    state["looks"] += 1
    first, count = script.get("blind", [0, 0])
    if first <= state["looks"] < first + count:
        raise Answer(1, err="ERROR: (gcloud) network is unreachable\n")
    tpu = state["tpu"]
    if tpu is None:
        if kind == "jobset":
            raise Answer(0)
        raise Answer(1, err="ERROR: (gcloud) NOT_FOUND: Resource was not found\n")
    word = tpu["life"][0]
    if len(tpu["life"]) > 1:
        tpu["life"].pop(0)
    if word == "GONE":
        state["tpu"] = None
        raise Answer(1, err="ERROR: (gcloud) NOT_FOUND: Resource was not found\n")
    labels = dict(each.split("=") for each in tpu["labels"].split(",") if each)
    if kind == "queued":
        said = {"state": word}
        if word == "FAILED":
            said["failedData"] = {"error": {"message": script.get("details", "")}}
        specs = [{"node": {"labels": labels}}]
        raise Answer(0, json.dumps({"state": said, "tpu": {"nodeSpec": specs}}))
    if kind == "node":
        raise Answer(0, json.dumps({"state": word, "labels": labels}))
    status = {
        "WAITING": {"replicatedJobsStatus": [{"ready": 0}]},
        "RUNNING": {"replicatedJobsStatus": [{"ready": 4}]},
    }
    spec = {"suspend": word == "WAITING", "command": tpu["command"]}
    found = status.get(word, {"terminalState": word})
    raise Answer(0, json.dumps({"spec": spec, "status": found}))


def delete(script, state):
    state["deletions"] += 1
    if state["tpu"] is None:
        raise Answer(1, err="ERROR: (gcloud) NOT_FOUND: Resource was not found\n")
    if state["deletions"] <= script.get("undeletable", 0):
        raise Answer(1, err="ERROR: (gcloud) internal error\n")
    state["tpu"] = None


def ssh(node, flags, script, state):
    if state["tpu"] is None or state["tpu"]["life"][0] not in ("ACTIVE", "READY"):
        raise Answer(1, err="ERROR: (gcloud) the node is not up\n")
    index = int(node.rpartition("-")[2]) if node[-1].isdigit() else 0
    every = flags["worker"] == "all"
    workers = range(4) if every else [int(flags["worker"])]
    failed = []
    for host in (f"{index}-{worker}" for worker in workers):
        for key, code in ((host, 255), (f"{host}!", 5)):
            left = state["ssh"].setdefault(key, script.get("ssh", {}).get(key, 0))
            if left > 0:
                state["ssh"][key] -= 1
                failed.append(code)
    if failed:
        message = {
            255: "ssh: connect to port 22: Connection timed out",
            5: "host: No solution found for the packages",
        }[failed[0]]
        raise Answer(1 if every else failed[0], err=message + "\n")
    run_remote(flags["command"], script, index, workers)


def run_remote(command, script, index, workers):
    words = shlex.split(command)
    verb = words[words.index("bash") + 2]
    settings = dict(word.split("=", 1) for word in words if word.startswith("XTL_"))
    if verb == "prepare":
        ready = "".join(f"xtl-host-ready {index}-{worker}\n" for worker in workers)
        raise Answer(0, ready)
    if verb in ("start", "run"):
        codes = script.get("exits", {}).get(settings["XTL_ATTEMPT"], {})
        folder = bucket(settings["XTL_RUN"]) / "exit"
        for host in script.get("silent", {}).get(settings["XTL_ATTEMPT"], []):
            log = bucket(settings["XTL_RUN"]) / "log" / f"{host}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.touch()
            os.utime(log, (time.time() - 3600,) * 2)
        for host, code in codes.items():
            if verb == "run" or host.startswith(f"{index}-"):
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{host}.{code}").touch()


def bucket(address):
    return HOME / "bucket" / address.removeprefix("gs://")


def storage(plain, flags):
    if plain[0] == "cp" and plain[1].startswith("gs://"):
        pathlib.Path(plain[2]).write_bytes(bucket(plain[1]).read_bytes())
    elif plain[0] == "cp":
        target = bucket(plain[2])
        target.parent.mkdir(parents=True, exist_ok=True)
        if not ("no-clobber" in flags and target.exists()):
            target.write_bytes(pathlib.Path(plain[1]).read_bytes())
    elif plain[0] == "ls":
        address = plain[1].removesuffix("**")
        folder = bucket(address)
        if not folder.is_dir():
            raise Answer(1, err="ERROR: One or more URLs matched no objects.\n")
        lines = []
        for path in folder.rglob("*.*"):
            stamp = time.gmtime(path.stat().st_mtime)
            when = time.strftime("%Y-%m-%dT%H:%M:%SZ", stamp)
            lines.append(f"  0  {when}  {address}{path.relative_to(folder)}\n")
        raise Answer(0, "".join(lines))
    elif plain[0] == "cat":
        raise Answer(0, f"output of {plain[1]}\n")


if __name__ == "__main__":
    main()
