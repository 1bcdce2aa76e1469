"""Encodes a column of a Parquet data set with Spark.

    spark-submit spark.py SENTENCES VECTORS [--column text] [--model english]
"""

import argparse

from pyspark.sql import SparkSession
from pyspark.sql.types import ArrayType, FloatType, StructField, StructType

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("sentences", help="Parquet files, or folders of them")
parser.add_argument("vectors", help="the folder to write")
parser.add_argument("--column", default="text", help="the column of sentences")
parser.add_argument("--model", default="english", help="english, a model folder, or a name on the hub")


def encoding(model, column):
    """The function that encodes a partition's batches; it loads the model once."""

    def encode(batches):
        import gensen

        gensen.set_num_threads(1)
        encoder = gensen.SentenceEncoder(model)
        for batch in batches:
            yield batch.assign(vector=list(encoder.encode(batch[column])))

    return encode


def main():
    arguments = parser.parse_args()
    spark = SparkSession.builder.appName("gensen").getOrCreate()
    data = spark.read.parquet(arguments.sentences)
    schema = StructType([*data.schema.fields, StructField("vector", ArrayType(FloatType(), containsNull=False))])
    encoded = data.mapInPandas(encoding(arguments.model, arguments.column), schema)
    encoded.write.mode("errorifexists").parquet(arguments.vectors)
    spark.stop()


if __name__ == "__main__":
    main()
