"""Made-up chat for measurements: as JSON lines for `gavel produce`, or sent at an even pace.

    python -m measure.lines fill COUNT USERS                              COUNT messages, all users by turns, on standard output
    python -m measure.lines pace BOOTSTRAP TOPIC RATE SECONDS USERS SEED  each message of any of the users
"""

import random
import sys
import time

from confluent_kafka import Producer

WORDS = "gg nice play raid starts soon who has keys lol wait for me that was close trade potion north gate heal please thanks".split()
TEXTS = 997
TICK = 0.002  # seconds; the pace is even to this grain


def texts():
    """A thousand texts; one in ten has a word of the policy."""
    rng = random.Random(7)
    made = []
    for number in range(TEXTS):
        words = rng.choices(WORDS, k=rng.randint(3, 16))
        if number % 10 == 0:
            words.append("darn" if number % 20 else "blast")
        made.append(" ".join(words))
    return made


def message(number, user, text):
    return (
        f'{{"message_id":"m{number}","community":"arena","channel":"room-{user % 50}","user":"user-{user}",'
        f'"text":"{text}","kind":"message"}}'
    )


def fill(count, users):
    known = texts()
    for begin in range(0, count, 10_000):
        some = range(begin, min(begin + 10_000, count))
        sys.stdout.write("".join(message(number, number % users, known[number % TEXTS]) + "\n" for number in some))


def pace(bootstrap, topic, rate, seconds, users, seed):
    producer = Producer(
        {"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "enable.idempotence": True, "linger.ms": 1}
    )
    known, rng = texts(), random.Random(seed)
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        ahead = began + number / rate - time.monotonic()
        if ahead > TICK:
            producer.poll(0)
            time.sleep(ahead)
        user = rng.randrange(users)
        value = message(f"{seed}-{number}", user, known[rng.randrange(TEXTS)])
        while True:
            try:
                producer.produce(topic, value, f"arena/user-{user}")
                break
            except BufferError:
                producer.poll(0.05)
    if producer.flush(30):
        raise SystemExit("pace: not everything was acknowledged")


def main():
    what, *words = sys.argv[1:]
    if what == "fill":
        fill(*map(int, words))
    else:
        bootstrap, topic, *numbers = words
        pace(bootstrap, topic, *map(int, numbers))


if __name__ == "__main__":
    main()
