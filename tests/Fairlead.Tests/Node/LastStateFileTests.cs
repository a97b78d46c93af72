using Fairlead.Fleet;
using Fairlead.Node;
using Fairlead.Tests.Decide;

namespace Fairlead.Tests.Node;

public sealed class LastStateFileTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-state").FullName;

    private string Newest => Path.Combine(folder, "last-plan.json");

    [Fact]
    public void What_was_written_is_read_back()
    {
        var file = new LastStateFile(folder);
        LastState state = Example(7);

        file.Write(state);

        Assert.Equal(FleetJson.Write(state), FleetJson.Write(file.Read()));
    }

    [Fact]
    public void Without_a_file_or_a_folder_there_is_no_state()
    {
        Assert.Null(new LastStateFile(folder).Read());
        Assert.Null(new LastStateFile(Path.Combine(folder, "missing")).Read());
        Assert.ThrowsAny<IOException>(() => new LastStateFile(Path.Combine(folder, "missing")).Write(Example(1)));
    }

    [Fact]
    public void No_changed_byte_and_no_cut_is_believed()
    {
        var file = new LastStateFile(folder);
        file.Write(new LastState { Generation = 3 });
        byte[] whole = File.ReadAllBytes(Newest);
        for (int at = 0; at < whole.Length; at++)
        {
            byte[] changed = [.. whole];
            changed[at] ^= (byte)(1 << (at % 8));
            File.WriteAllBytes(Newest, changed);
            Assert.True(file.Read() is null, $"byte {at} is changed and the state is believed");
            File.WriteAllBytes(Newest, whole[..at]);
            Assert.True(file.Read() is null, $"cut at {at} and the state is believed");
        }

        File.WriteAllBytes(Newest, [.. whole, (byte)' ']);
        Assert.Null(file.Read());
        File.WriteAllBytes(Newest, whole);
        Assert.Equal(3, file.Read()!.Generation);
    }

    [Fact]
    public void Every_bit_of_a_full_state_counts() => Property.Holds(300, random =>
    {
        var file = new LastStateFile(folder);
        if (!File.Exists(Newest)) file.Write(Example(3));
        byte[] whole = File.ReadAllBytes(Newest);
        byte[] changed = [.. whole];
        changed[random.Next(whole.Length)] ^= (byte)(1 << random.Next(8));
        File.WriteAllBytes(Newest, changed);
        Assert.Null(file.Read());
        File.WriteAllBytes(Newest, whole);
    });

    [Fact]
    public void When_the_newest_is_damaged_the_one_before_it_counts()
    {
        var file = new LastStateFile(folder);
        for (int generation = 1; generation <= 3; generation++) file.Write(Example(generation));

        File.WriteAllText(Newest, "half");
        Assert.Equal(2, file.Read()!.Generation);
        File.Delete(Newest); // As a crash between the two renames leaves it.
        Assert.Equal(2, file.Read()!.Generation);
        file.Write(Example(4));
        Assert.Equal(4, file.Read()!.Generation);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static LastState Example(long generation)
    {
        var situation = new Situation();
        return new LastState
        {
            Generation = generation,
            Plan = situation.Plan(),
            Intents = [Situation.Drain("tyo"), Situation.Announce("lon", "192.0.2.0/25")],
            Reports = [situation.Report("nyc1"), situation.Report("lon1")],
        };
    }
}
