using System.Text;
using Fairlead.Control;

namespace Fairlead.Tests.Control;

public sealed class FileStoreTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-store").FullName;
    private readonly FakeTime time = new();

    [Fact]
    public async Task What_was_put_is_there_is_told_and_survives_a_restart()
    {
        await using FileStore store = Started();
        int told = 0;
        store.Changed = () => told++;

        await store.PutAsync("nodes/nyc/nyc1", Bytes("one"), default);
        await store.PutAsync("intents/announce-nyc-192.0.2.0_24", Bytes("two"), default);
        await store.PutAsync("nodes/nyc/nyc1", Bytes("three"), default);

        Assert.Equal(3, told);
        await using FileStore again = Started();
        foreach (FileStore one in (FileStore[])[store, again])
        {
            Assert.Equal(2, one.Entries.Count);
            Assert.Equal("three", Text(one, "nodes/nyc/nyc1"));
            Assert.Equal("two", Text(one, "intents/announce-nyc-192.0.2.0_24"));
            Assert.Null(one.Fault);
        }
    }

    [Fact]
    public async Task A_swap_is_taken_at_the_right_revision_only()
    {
        await using FileStore store = Started();

        Assert.False(await store.CompareAndSwapAsync("intents/a", 1, Bytes("x"), default));
        Assert.Empty(store.Entries);
        Assert.True(await store.CompareAndSwapAsync("intents/a", 0, Bytes("one"), default));
        Assert.False(await store.CompareAndSwapAsync("intents/a", 0, Bytes("two"), default));
        long revision = store.Entries["intents/a"].Revision;
        Assert.True(await store.CompareAndSwapAsync("intents/a", revision, Bytes("three"), default));
        Assert.False(await store.CompareAndSwapAsync("intents/a", revision, null, default));
        Assert.Equal("three", Text(store, "intents/a"));
    }

    [Fact]
    public async Task A_deleted_key_is_gone_for_good()
    {
        await using FileStore store = Started();
        await store.PutAsync("intents/a", Bytes("one"), default);

        Assert.True(await store.CompareAndSwapAsync("intents/a", store.Entries["intents/a"].Revision, null, default));

        Assert.Empty(store.Entries);
        await using FileStore again = Started();
        Assert.Empty(again.Entries);
    }

    [Fact]
    public async Task Of_many_that_swap_at_once_one_wins()
    {
        await using FileStore store = Started();

        bool[] won = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Task.Run(
            () => store.CompareAndSwapAsync("intents/a", 0, Bytes($"{i}"), default))));

        Assert.Equal(Array.IndexOf(won, true).ToString(), Text(store, "intents/a"));
        Assert.Single(won, taken => taken);
    }

    [Fact]
    public async Task A_disk_that_takes_nothing_is_told_of_and_memory_goes_on()
    {
        await using FileStore store = Started();
        await store.PutAsync("intents/a", Bytes("one"), default);
        Directory.Delete(folder, recursive: true);

        await store.PutAsync("intents/b", Bytes("two"), default);
        Assert.Contains("not written to disk", store.Fault, StringComparison.Ordinal);
        long revision = store.Entries["intents/b"].Revision;
        Assert.True(await store.CompareAndSwapAsync("intents/b", revision, Bytes("three"), default));
        Assert.Equal("three", Text(store, "intents/b"));
        Assert.True(await store.CompareAndSwapAsync("intents/a", store.Entries["intents/a"].Revision, null, default));
        Assert.DoesNotContain("intents/a", store.Entries.Keys);

        Directory.CreateDirectory(folder);
        await store.PutAsync("intents/b", Bytes("four"), default);
        Assert.Null(store.Fault);
    }

    [Fact]
    public async Task Half_a_file_that_a_crash_left_is_not_read()
    {
        await using (FileStore store = Started()) await store.PutAsync("intents/a", Bytes("whole"), default);
        string file = Assert.Single(Directory.GetFiles(folder));
        File.WriteAllText(file + ".new", "ha");

        await using FileStore again = Started();

        Assert.Equal("whole", Text(again, Assert.Single(again.Entries.Keys)));
    }

    [Fact]
    public async Task It_is_in_sight_from_the_start()
    {
        await using FileStore store = Started();
        DateTimeOffset begun = time.GetUtcNow();
        time.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal((begun, time.GetUtcNow()), (store.Sight.LiveSince!.Value, store.Sight.ProvenAt!.Value));
    }

    public void Dispose()
    {
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string Text(FileStore store, string key) => Encoding.UTF8.GetString(store.Entries[key].Value.Span);

    private FileStore Started()
    {
        var store = new FileStore(folder, time);
        store.Start();
        return store;
    }
}
