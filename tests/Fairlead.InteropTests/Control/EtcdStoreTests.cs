using System.Diagnostics;
using System.Text;
using Fairlead.Control;
using Fairlead.Control.Etcd;
using static Fairlead.InteropTests.Bgp.BirdRouter;

namespace Fairlead.InteropTests.Control;

/// <summary>The store on real etcd members, and what it does when they fail.</summary>
public class EtcdStoreTests
{
    [InteropFact("etcd", "etcdctl")]
    public async Task What_one_store_writes_the_other_sees_and_what_is_deleted_goes()
    {
        using var etcd = new EtcdCluster(1);
        await using EtcdStore one = etcd.Store(0), other = etcd.Store(0);
        AwaitLive(one);
        AwaitLive(other);

        await one.PutAsync("nodes/nyc/nyc1", Bytes("hello"), default);
        Eventually(() => Text(other, "nodes/nyc/nyc1") == "hello", "the other sees it", 2);
        Assert.NotNull(other.Sight.ProvenAt);
        long revision = one.Entries["nodes/nyc/nyc1"].Revision;
        await one.PutAsync("nodes/nyc/nyc1", Bytes("again"), default);
        Eventually(() => Text(other, "nodes/nyc/nyc1") == "again", "the other sees the change", 2);
        Assert.True(other.Entries["nodes/nyc/nyc1"].Revision > revision);

        etcd.Ctl(0, "put", "/fairlead/tesu", "beyond the prefix");
        etcd.Ctl(0, "put", "/fairlead/tes", "before it");
        Assert.True(await one.CompareAndSwapAsync(
            "nodes/nyc/nyc1", other.Entries["nodes/nyc/nyc1"].Revision, null, default));
        Eventually(() => other.Entries.IsEmpty && one.Entries.IsEmpty, "it is gone", 2);
    }

    [InteropFact("etcd", "etcdctl")]
    public async Task Of_two_that_swap_at_once_one_wins_each_time()
    {
        using var etcd = new EtcdCluster(1);
        await using EtcdStore one = etcd.Store(0), other = etcd.Store(0);
        AwaitLive(one);
        AwaitLive(other);
        long revision = 0;
        for (int round = 0; round < 20; round++)
        {
            bool[] won = await Task.WhenAll(
                one.CompareAndSwapAsync("intents/a", revision, Bytes($"one {round}"), default),
                other.CompareAndSwapAsync("intents/a", revision, Bytes($"other {round}"), default));

            Assert.Single(won, taken => taken);
            string expected = $"{(won[0] ? "one" : "other")} {round}";
            Eventually(() => Text(one, "intents/a") == expected && Text(other, "intents/a") == expected, expected, 2);
            revision = one.Entries["intents/a"].Revision;
        }
    }

    [InteropFact("etcd", "etcdctl")]
    public async Task A_store_that_was_made_anew_counts_from_the_beginning_and_is_followed_all_the_same()
    {
        using var etcd = new EtcdCluster(1);
        await using EtcdStore store = etcd.Store(0);
        AwaitLive(store);
        for (int i = 0; i < 20; i++) await store.PutAsync("old", Bytes($"{i}"), default);
        Eventually(() => Text(store, "old") == "19", "the old store is seen", 2);

        etcd.Kill(0);
        etcd.Wipe(0);
        etcd.Start(0);
        etcd.AwaitHealthy(0);

        AwaitLive(store);
        Eventually(() => store.Entries.IsEmpty, "nothing of the old store holds", 5);
        await store.PutAsync("new", Bytes("1"), default);
        Eventually(() => Text(store, "new") == "1", "the new store is followed", 2);
    }

    [InteropFact("etcd", "etcdctl")]
    public async Task After_a_restart_of_the_member_it_goes_on_and_nothing_is_lost()
    {
        using var etcd = new EtcdCluster(1);
        await using EtcdStore store = etcd.Store(0);
        AwaitLive(store);
        await store.PutAsync("kept", Bytes("1"), default);
        await store.PutAsync("deleted", Bytes("1"), default);
        Eventually(() => store.Entries.Count == 2, "both are seen", 2);

        etcd.Kill(0);
        Eventually(() => store.Sight.LiveSince is null && store.Fault is not null, "the loss is seen", 5);
        Assert.Equal(2, store.Entries.Count); // I4: what was known stays known.
        await Assert.ThrowsAnyAsync<IOException>(() => store.PutAsync("x", Bytes("1"), default));
        etcd.Start(0);
        etcd.AwaitHealthy(0);
        // Changes that no watch has brought: they must come with the list.
        etcd.Ctl(0, "put", "/fairlead/test/added", "2");
        etcd.Ctl(0, "del", "/fairlead/test/deleted");

        AwaitLive(store);
        Eventually(() => Text(store, "added") == "2" && Text(store, "deleted") is null, "it has caught up", 5);
        Assert.Equal("1", Text(store, "kept"));
        await store.PutAsync("after", Bytes("3"), default);
        Eventually(() => Text(store, "after") == "3", "it writes and follows again", 2);
    }

    [InteropFact("etcd", "etcdctl")]
    public async Task Compaction_while_it_was_away_leads_to_reading_everything_again()
    {
        using var etcd = new EtcdCluster(1);
        await using EtcdStore store = etcd.Store(0);
        AwaitLive(store);
        await store.PutAsync("deleted", Bytes("1"), default);
        Eventually(() => store.Entries.Count == 1, "it is seen", 2);
        etcd.Signal(0, "STOP");
        Eventually(() => store.Sight.LiveSince is null, "the silence is seen", 8);

        etcd.Signal(0, "CONT");
        for (int i = 0; i < 20; i++) etcd.Ctl(0, "put", "/fairlead/test/counted", $"{i}");
        etcd.Ctl(0, "del", "/fairlead/test/deleted");
        string revision = etcd.Ctl(0, "get", "/fairlead/test/counted", "-w", "fields").Split('\n')
            .First(line => line.StartsWith("\"Revision\"", StringComparison.Ordinal)).Split(':')[1].Trim();
        etcd.Ctl(0, "compact", revision);

        Eventually(() => Text(store, "counted") == "19" && Text(store, "deleted") is null, "it has caught up", 10);
    }

    [InteropFact("etcd", "etcdctl")]
    public async Task When_the_followed_member_is_killed_it_moves_to_another_within_5_seconds()
    {
        using var etcd = new EtcdCluster(3);
        await using EtcdStore store = etcd.Store(0, 1, 2);
        AwaitLive(store);
        await store.PutAsync("before", Bytes("1"), default);
        Eventually(() => Text(store, "before") == "1", "it follows", 3);

        // The one that it follows is the one whose death it notices.
        var clock = Stopwatch.StartNew();
        int victim = 0;
        etcd.Kill(victim);
        if (!Holds(() => store.Sight.LiveSince is null, 1))
        {
            etcd.Start(victim);
            etcd.AwaitHealthy(victim);
            victim = 1;
            clock.Restart();
            etcd.Kill(victim);
            if (!Holds(() => store.Sight.LiveSince is null, 1))
            {
                etcd.Start(victim);
                etcd.AwaitHealthy(victim);
                victim = 2;
                clock.Restart();
                etcd.Kill(victim);
                Assert.True(Holds(() => store.Sight.LiveSince is null, 3), "no member's death was noticed");
            }
        }

        AwaitLive(store);
        await PutUntilTakenAsync(store, "after");
        Eventually(() => Text(store, "after") is not null, "it follows another one", 5);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5), $"it took {clock.Elapsed.TotalSeconds:0.0} s");
        Assert.Equal("1", Text(store, "before"));
    }

    [InteropFact("etcd", "etcdctl")]
    public async Task Without_a_majority_nothing_is_proven_nothing_is_lost_and_a_write_fails_in_time()
    {
        using var etcd = new EtcdCluster(3);
        await using EtcdStore store = etcd.Store(0);
        AwaitLive(store);
        await store.PutAsync("kept", Bytes("1"), default);
        Eventually(() => Text(store, "kept") == "1", "it follows", 3);
        etcd.Signal(1, "STOP");
        etcd.Signal(2, "STOP");
        // What was under way may still come through; from then on nothing can.
        await Task.Delay(TimeSpan.FromSeconds(1));
        DateTimeOffset? proven = store.Sight.ProvenAt;

        var clock = Stopwatch.StartNew();
        await Assert.ThrowsAnyAsync<IOException>(() => store.PutAsync("lost", Bytes("1"), default));
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5), $"the write hung for {clock.Elapsed.TotalSeconds:0.0} s");
        await Assert.ThrowsAnyAsync<IOException>(() => store.CompareAndSwapAsync("lost", 0, Bytes("1"), default));
        Assert.True(store.Sight.ProvenAt is null || store.Sight.ProvenAt == proven, "a minority has proven something");
        Assert.Equal("1", Text(store, "kept"));
        Assert.Equal(TimeSpan.Zero, store.Sight.SilenceSince(TimeProvider.System.GetUtcNow()));

        etcd.Signal(1, "CONT");
        etcd.Signal(2, "CONT");
        await PutUntilTakenAsync(store, "after");
        Eventually(() => Text(store, "after") is not null && store.Sight.ProvenAt > proven, "it goes on", 10);
    }

    [InteropFact("etcd", "etcdctl")]
    public async Task A_member_cut_off_from_the_majority_is_left_for_one_that_is_not()
    {
        using var etcd = new EtcdCluster(3);
        // Only the first is reachable under its own address; the others are known to it as peers alone.
        etcd.Signal(1, "STOP");
        etcd.Signal(2, "STOP");
        await using EtcdStore store = etcd.Store(0, 1);
        await Task.Delay(TimeSpan.FromSeconds(2));

        etcd.Signal(0, "STOP");
        etcd.Signal(1, "CONT");
        etcd.Signal(2, "CONT");
        etcd.AwaitHealthy(1);
        await PutUntilTakenAsync(store, "after");

        Eventually(() => Text(store, "after") is not null, "it follows the other one", 10);
    }

    [InteropFact("etcd", "etcdctl")]
    public async Task Keys_and_values_of_any_bytes_end_nothing()
    {
        using var etcd = new EtcdCluster(1);
        await using EtcdStore store = etcd.Store(0);
        AwaitLive(store);
        byte[] all = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];
        await store.PutAsync("bytes", all, default);
        Eventually(() => store.Entries.ContainsKey("bytes"), "it is seen", 2);
        Assert.Equal(all, store.Entries["bytes"].Value.ToArray());
        // Two different keys that are no UTF-8 read the same.
        foreach (string octal in (string[])["\\377", "\\376"])
        {
            Fairlead.Lab.Command.Run("sh", "-c",
                $"etcdctl --endpoints={etcd.Endpoint(0)} put \"$(printf '/fairlead/test/{octal}')\" x");
        }

        // A store that begins now lists them both.
        await using EtcdStore late = etcd.Store(0);
        AwaitLive(late);
        await late.PutAsync("after", Bytes("1"), default);
        Eventually(() => Text(late, "after") == "1" && Text(store, "after") == "1", "both go on", 3);
    }

    [InteropFact("etcd", "etcdctl")]
    public async Task Nobody_there_is_a_fault_in_words_and_dispose_ends_it()
    {
        var store = new EtcdStore([new Uri("http://127.0.0.1:9")], "/fairlead/test/", TimeProvider.System, 1);
        store.Start();
        Eventually(() => store.Fault?.Contains("refused", StringComparison.Ordinal) == true, $"{store.Fault}", 5);
        Assert.Null(store.Sight.LiveSince);
        await Assert.ThrowsAnyAsync<IOException>(() => store.PutAsync("x", Bytes("1"), default));

        await store.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(5));
    }

    private static void AwaitLive(EtcdStore store) =>
        Eventually(() => store.Sight.LiveSince is not null, $"the store follows: {store.Fault}", 10);

    private static bool Holds(Func<bool> condition, double seconds)
    {
        try
        {
            Eventually(condition, "", seconds);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private static async Task PutUntilTakenAsync(EtcdStore store, string key)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                await store.PutAsync(key, Bytes($"{clock.ElapsedMilliseconds}"), default);
                return;
            }
            catch (IOException) when (clock.Elapsed < TimeSpan.FromSeconds(15))
            {
                await Task.Delay(50);
            }
        }
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string? Text(EtcdStore store, string key) =>
        store.Entries.TryGetValue(key, out StoreEntry? entry) ? Encoding.UTF8.GetString(entry.Value.Span) : null;
}
