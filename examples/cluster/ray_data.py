"""Encodes a column of a Parquet data set with Ray Data.

    python ray_data.py SENTENCES VECTORS [--column text] [--model english] [--workers N]
"""

import argparse
import os

import ray

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("sentences", help="Parquet files, or folders of them")
parser.add_argument("vectors", help="the folder to write")
parser.add_argument("--column", default="text", help="the column of sentences")
parser.add_argument("--model", default="english", help="english, a model folder, or a name on the hub")
parser.add_argument("--workers", type=int, help="default: one per core of the cluster")


class Encode:
    """A worker, which loads the model once."""

    def __init__(self, model, column):
        import gensen

        gensen.set_num_threads(1)
        self.encoder, self.column = gensen.SentenceEncoder(model), column

    def __call__(self, batch):
        return {**batch, "vector": self.encoder.encode(batch[self.column])}


def main():
    arguments = parser.parse_args()
    ray.init(address=os.environ.get("RAY_ADDRESS"))
    workers = arguments.workers or int(ray.cluster_resources()["CPU"])
    data = ray.data.read_parquet(arguments.sentences)
    data = data.map_batches(
        Encode,
        fn_constructor_args=(arguments.model, arguments.column),
        batch_size=4096,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=workers),
    )
    data.write_parquet(arguments.vectors)
    ray.shutdown()


if __name__ == "__main__":
    main()
