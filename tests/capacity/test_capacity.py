"""Figures that were computed by hand, on paper prices."""

import datetime
import unittest

from capacity import cost, model

PRICES = """
region = "nowhere-1"
as_of = "2026-01-01"
[saving]
spot = 0.5
savings_plan = 0.25
""" + "".join(
    f'[price.{name}]\nusd = {usd}\nunit = "each"\nsource = "https://aws.amazon.com/{name}/"\n'
    for name, usd in {
        "eks-cluster": 0.1, "node-system-large": 0.2, "msk-express-large": 0.5, "msk-standard-large": 0.25, "msk-standard-storage": 0.1, "msk-express-written": 0.01, "msk-express-storage": 0.1, "inter-az": 0.02,
        "gp3": 0.1, "s3-put": 0.005, "s3-storage": 0.03, "nat-gateway": 0.05, "nat-data": 0.04, "interface-endpoint": 0.01, "log-ingest": 0.5,
        "kms-key": 1.0, "node-arm64": 1.0, "node-amd64": 1.2,
    }.items()
)  # fmt: skip
SIZE = {
    "rate": 1_000, "brokers": 3, "broker": "express.m7g.large", "retention_days": 73, "pods": [2, 5, 9], "pods_per_node": 2, "on_demand_base": 1,
    "system_nodes": 2, "system_node": "m7g.large", "nat_gateways": 1, "interface_endpoints": 2, "zones": 3, "state_gb_per_pod": 10, "checkpoint_every_s": 60,
    "checkpoint_gb": 100, "partitions": 96, "nat_gb": 25, "keys": 4,
}  # fmt: skip
MESSAGE = {"bytes": 600, "verdict_bytes": 400, "log_bytes": 1}


class Cost(unittest.TestCase):
    def setUp(self):
        self.prices = cost.Prices(PRICES)
        self.rows = {row.name: row for row in cost.rows(SIZE, MESSAGE, self.prices)}

    def usd(self, name):
        return round(self.rows[name].usd, 2)

    def test_what_is_billed_by_the_hour(self):
        self.assertEqual(self.usd("EKS control plane"), 73.00)  # 730 x 0.1
        self.assertEqual(self.usd("brokers"), 1095.00)  # 3 x 730 x 0.5
        self.assertEqual(self.usd("interface endpoints"), 43.80)  # 2 x 3 zones x 730 x 0.01

    def test_what_is_billed_by_the_byte(self):
        # 1,000/s x 1,000 bytes x 2,628,000 s = 2,628 GB
        self.assertEqual(round(self.rows["written to brokers"].quantity, 6), 2628)
        self.assertEqual(self.usd("written to brokers"), 26.28)
        # 73 of 730 / 24 days: 2.4 months of it
        self.assertEqual(self.usd("kept by brokers"), 630.72)
        # twice, two thirds of it, 0.02, and again on the way in
        self.assertEqual(self.usd("inter-AZ, out"), 70.08)
        self.assertEqual(self.usd("inter-AZ, in"), 70.08)
        self.assertEqual(self.usd("logs"), 1.31)

    def test_standard_brokers_pay_for_their_volumes_and_not_for_what_is_written(self):
        size = SIZE | {"broker": "kafka.m7g.large", "broker_gb": 200}
        rows = {row.name: row for row in cost.rows(size, MESSAGE, self.prices)}
        self.assertEqual(round(rows["brokers"].usd, 2), 547.50)  # 3 x 730 x 0.25
        self.assertEqual(round(rows["volumes of brokers"].usd, 2), 60.00)  # 3 x 200 x 0.1
        self.assertNotIn("written to brokers", rows)

    def test_six_requests_for_each_of_96_partitions_each_minute_are_some_25_million(self):
        requests = self.rows["checkpoint requests"].quantity * 1000
        self.assertEqual(round(requests), 25_228_800)
        self.assertEqual(self.usd("checkpoint requests"), 126.14)

    def test_spot_and_savings_plan_touch_the_nodes_of_the_processors_alone(self):
        # 5 pods by two: 3 nodes, one of them never spot
        self.assertEqual({name: round(usd, 2) for name, usd in cost.node_costs(SIZE, self.prices).items()}, {
            "amd64": 2628.00,  # 3 x 730 x 1.2
            "on-demand": 2190.00,
            "+ spot": 1460.00,  # 730 + 2 x 365
            "+ Savings Plan": 1277.50,  # 547.50 + 730
        })  # fmt: skip
        totals = cost.totals(SIZE, MESSAGE, self.prices)
        self.assertAlmostEqual(totals["on-demand"] - totals["+ spot"], 730)

    def test_a_price_without_a_source_is_refused(self):
        for spoilt in (PRICES.replace("https://aws.amazon.com/gp3/", "somebody said"), PRICES.replace("usd = 0.04", "usd = 0")):
            with self.assertRaises(cost.Refused):
                cost.Prices(spoilt)

    def test_a_price_that_is_not_there_is_refused(self):
        with self.assertRaises(cost.Refused):
            list(cost.rows(SIZE | {"broker": "express.m7g.48xlarge"}, MESSAGE, self.prices))

    def test_old_and_unchecked_prices_say_so(self):
        said = "\n".join(cost.report({"a": SIZE}, MESSAGE, self.prices, datetime.date(2027, 1, 2)))
        self.assertIn("18 of 18 prices were never compared", said)
        self.assertIn("STALE", said)
        self.assertNotIn("STALE", "\n".join(cost.report({"a": SIZE}, MESSAGE, self.prices, datetime.date(2026, 6, 1))))


class Capacity(unittest.TestCase):
    def test_47_000_a_second(self):
        found = model.capacity(47_000)
        self.assertAlmostEqual(found.cores_busy, 0.6345)  # 47,000 x 4.5 us x 3
        self.assertEqual(found.pods, 12)  # 11.75 by 4,000 each
        self.assertAlmostEqual(found.bytes_in, 51.7)  # x 1,100 bytes
        self.assertEqual((found.brokers, found.broker), (3, "xlarge"))  # 51.7 / 0.6 = 86.2 <= 3 x 31.2
        self.assertEqual(found.memory_mib, 768)  # 384 x 1.5 + 128 + 8 x 8
        self.assertTrue(found.within)

    def test_a_million_a_second_takes_more_brokers_of_the_largest(self):
        found = model.capacity(1_000_000)
        self.assertEqual(found.pods, 48)  # 250 wanted; 48 is the most that 96 partitions let KEDA use
        self.assertEqual((found.brokers, found.broker), (6, "16xlarge"))  # 1,100 / 0.6 = 1,833 / 500 = 3.7: a multiple of three zones
        self.assertAlmostEqual(found.partition_mb_s, 6.25)

    def test_few_messages_still_take_the_minimum(self):
        self.assertEqual((model.capacity(1).pods, model.capacity(1).brokers, model.capacity(1).broker), (6, 3, "large"))

    def test_cpu_decides_where_a_pod_is_too_small(self):
        # 23,000/s: 5.75 by rate; a fold ten times as dear: 3.1 cores / 2 / 0.4 = 3.9: rate; forty times: 15.5
        known = dict(model.MEASURED)
        try:
            model.MEASURED["cpu_us"] = (180.0, "")
            self.assertEqual(model.capacity(23_000).pods, 16)
        finally:
            model.MEASURED.update(known)

    def test_a_partition_that_would_be_too_full_says_so(self):
        self.assertFalse(model.capacity(3_000_000).within)

    def test_every_count_of_pods_divides_the_partitions(self):
        for rate in range(1_000, 400_000, 7_000):
            self.assertEqual(model.PARTITIONS % model.capacity(rate).pods, 0)


if __name__ == "__main__":
    unittest.main()
