"""What a user would train elsewhere, on the rows that `sluice train` reads: started by bench/train.ts, one process a step.

    peers.py train PEER TRAIN.jsonl MODEL     fits and saves
    peers.py test  PEER TEST.jsonl  MODEL     loads and answers on one thread

Prints one JSON line. A label is the whole path; a level counts as right where the path is right down to it.
"""

import json
import os
import re
import resource
import sys
import time


def read(file):
    texts, labels = [], []
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            texts.append(f"{row['brand']} {row['title']}" if row.get("brand") else row["title"])
            labels.append(" > ".join(row["label"]) if isinstance(row["label"], list) else row["label"])
    return texts, labels


def tfidf_and(heads, texts, labels, model):
    import joblib
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union

    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    grams = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    joblib.dump(make_pipeline(make_union(words, grams), heads).fit(texts, labels), model)


def linear_svc(texts, labels, model):
    from sklearn.svm import LinearSVC

    tfidf_and(LinearSVC(), texts, labels, model)


def linear_svc_two(texts, labels, model):
    """The same, its one-against-the-rest problems spread over two threads: LinearSVC alone uses one core."""
    import joblib
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import LinearSVC

    with joblib.parallel_config(backend="threading"):
        tfidf_and(OneVsRestClassifier(LinearSVC(), n_jobs=2), texts, labels, model)


def tokens(text):
    return " ".join(re.findall(r"\w+", text.lower()))


def fasttext_with(**settings):
    def fit(texts, labels, model):
        import fasttext

        names = {name: f"__label__{index}" for index, name in enumerate(sorted(set(labels)))}
        lines = model + ".txt"
        with open(lines, "w", encoding="utf-8") as file:
            file.writelines(f"{names[label]} {tokens(text)}\n" for text, label in zip(texts, labels))
        fitted = fasttext.train_supervised(lines, lr=0.5, epoch=25, wordNgrams=2, thread=2, seed=1, verbose=0, **settings)
        os.remove(lines)
        fitted.save_model(model)
        with open(model + ".labels", "w", encoding="utf-8") as file:
            json.dump({key: name for name, key in names.items()}, file)

    return fit


PEERS = {
    "linear-svc": linear_svc,
    "linear-svc-2": linear_svc_two,
    "fasttext": fasttext_with(minn=0, maxn=0),
    "fasttext-subword": fasttext_with(minn=3, maxn=5),
}


def answers(peer, texts, model):
    """The answers, and the seconds that they took after loading."""
    if peer.startswith("fasttext"):
        import fasttext

        loaded = fasttext.load_model(model)
        with open(model + ".labels", encoding="utf-8") as file:
            names = json.load(file)
        start = time.perf_counter()
        said, _ = loaded.predict([tokens(text) for text in texts])
        elapsed = time.perf_counter() - start
        return [names[best[0]] for best in said], elapsed
    import joblib

    loaded = joblib.load(model)
    start = time.perf_counter()
    said = list(loaded.predict(texts))
    return said, time.perf_counter() - start


def main(step, peer, file, model):
    texts, labels = read(file)
    if step == "train":
        PEERS[peer](texts, labels, model)
        use = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        unit = 1 if sys.platform == "darwin" else 1024
        return {
            "peak_bytes": max(it.ru_maxrss for it in use) * unit,
            "cpu_s": sum(it.ru_utime + it.ru_stime for it in use),
            "model_bytes": os.path.getsize(model),
        }
    said, elapsed = answers(peer, texts, model)
    depth = len(labels[0].split(" > "))
    right = [
        sum(a.split(" > ")[:level] == b.split(" > ")[:level] for a, b in zip(said, labels)) / len(labels)
        for level in range(1, depth + 1)
    ]
    return {"accuracy": right, "titles_per_s": len(texts) / elapsed}


print(json.dumps(main(*sys.argv[1:])))
