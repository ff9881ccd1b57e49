"""What a fit on data in parts costs, and whom: passes, processors' seconds, bytes and tasks."""

import time


class counted_passes:
    """Counts how often work goes to the partitions."""

    def __enter__(self):
        from skgd import _dask

        self.number, self.kind = 0, _dask.DaskPartitions
        self.before = {name: getattr(self.kind, name) for name in ("map", "total")}
        for name, method in self.before.items():
            setattr(self.kind, name, self._counting(method))
        return self

    def _counting(self, method):
        def counting(*arguments, **named):
            self.number += 1
            return method(*arguments, **named)

        return counting

    def __exit__(self, *error):
        for name, method in self.before.items():
            setattr(self.kind, name, method)


def bytes_sent(client):
    """What workers have sent so far, to each other and to the client."""
    return sum(client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total).values())


class Accounts:
    """What a fit on a cluster of this machine costs whom; the scheduler is in the client's process.

    Processors' seconds of the busiest worker tell what more workers bring where the cores are there for them: on two
    cores scheduler and client take theirs from two workers, and none from one.
    """

    def __init__(self, client):
        self.client = client

    def __enter__(self):
        from distributed import get_task_stream

        self.before, self.sent = self.client.run(time.process_time), bytes_sent(self.client)
        self.stream, self.passes = get_task_stream(self.client), counted_passes()
        self.stream.__enter__()
        self.passes.__enter__()
        self.cpu, self.in_thread, self.began = time.process_time(), time.thread_time(), time.perf_counter()
        return self

    def __exit__(self, *error):
        seconds = time.perf_counter() - self.began
        in_thread, cpu = time.thread_time() - self.in_thread, time.process_time() - self.cpu
        self.passes.__exit__(*error)
        self.stream.__exit__(*error)
        after, sent = self.client.run(time.process_time), bytes_sent(self.client) - self.sent
        of_workers = {worker: after[worker] - self.before[worker] for worker in after}
        tasks, waiting = dict.fromkeys(after, 0), 0.0
        for task in self.stream.data:
            tasks[task["worker"]] += 1
            steps = [step for step in task["startstops"] if step["action"] != "compute"]
            waiting += sum(step["stop"] - step["start"] for step in steps)
        costs = {
            "seconds": seconds,
            "cpu_of_busiest_worker": max(of_workers.values()),
            "cpu_of_workers": sum(of_workers.values()),
            "cpu_of_client_thread": in_thread,
            "cpu_of_scheduler_and_the_like": cpu - in_thread,
            "seconds_of_transfers": waiting,
            "tasks": sum(tasks.values()),
            "tasks_of_busiest_worker": max(tasks.values()),
            "kilobytes_sent": sent / 1e3,
        }
        n_passes = self.passes.number
        self.of_a_pass = {name: round(cost / n_passes, 4) for name, cost in costs.items()} | {"passes": n_passes}
