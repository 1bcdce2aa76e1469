"""Makes the Parquet files of the tests: `pip install pyarrow && python make_parquet.py`.

Each holds the first of the same pairs below a struct column, as the WMT sets do, in another
encoding. Every 50th German sentence is missing, and the second English one holds a line break.
"""

import pyarrow as pa
import pyarrow.parquet as pq

rows = []
for i in range(1000):
    de = None if i % 50 == 49 else f"Satz {i % 70} ist schön."
    en = "two\nlines" if i == 1 else f"Sentence {i} is nice."
    rows.append({"de": de, "en": en})
kind = pa.struct([("de", pa.string()), ("en", pa.string())])
table = pa.table({"translation": pa.array(rows, kind)})


def write(name, count, **options):
    pq.write_table(table.slice(0, count), f"{name}.parquet", **options)


def encoding(name):
    return {"use_dictionary": False, "column_encoding": {f"translation.{c}": name for c in ("de", "en")}}


write("snappy", 1000, compression="snappy", row_group_size=700)
write("gzip_v2", 1000, compression="gzip", data_page_version="2.0", data_page_size=4096)
write("plain", 200, compression="none", use_dictionary=False)
write("small", 60, compression="snappy")
write("zstd", 60, compression="zstd")
write("zstd_delta_v2", 200, compression="zstd", data_page_version="2.0", **encoding("DELTA_BYTE_ARRAY"))
write("delta", 60, **encoding("DELTA_BYTE_ARRAY"))
write("delta_length", 60, **encoding("DELTA_LENGTH_BYTE_ARRAY"))
# Refused by name: a codec that is not built in, a column that is not of text, one of lists.
write("brotli", 60, compression="brotli")
pq.write_table(pa.table({"en": pa.array([1, 2]), "de": pa.array([["a"], ["b"]])}), "no_text.parquet")
