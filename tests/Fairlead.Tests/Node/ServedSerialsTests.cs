using Fairlead.Dns.Wire;
using Fairlead.Node;

namespace Fairlead.Tests.Node;

public sealed class ServedSerialsTests : IDisposable
{
    private static readonly DnsName Origin = DnsName.Parse("example.com");
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-serials").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_node_that_was_stopped_goes_on_from_where_it_was()
    {
        var first = new ServedSerials(folder);
        Assert.Equal(7u, first.Keeper.Next(Origin, 7, [1]));
        Assert.Equal(8u, first.Keeper.Next(Origin, 7, [2]));
        Assert.Null(first.Save(isLast: true));

        var second = new ServedSerials(folder);
        Assert.Equal(8u, second.Keeper.Next(Origin, 7, [2]));
        Assert.Equal(9u, second.Keeper.Next(Origin, 7, [3]));
    }

    [Fact]
    public void A_node_that_was_killed_goes_ahead_of_all_that_it_may_have_served()
    {
        var first = new ServedSerials(folder);
        first.Keeper.Next(Origin, 7, [1]);
        Assert.Null(first.Save());
        // These did not reach the disk any more.
        for (byte content = 2; content < 50; content++) first.Keeper.Next(Origin, 7, [content]);

        // Even what looks as it did when the disk was last written.
        var second = new ServedSerials(folder);
        Assert.Equal(7u + ServedSerials.Leap + 1, second.Keeper.Next(Origin, 7, [1]));
        Assert.Equal(7u + ServedSerials.Leap + 2, second.Keeper.Next(Origin, 7, [2]));
        Assert.Null(second.Save(isLast: true));
        Assert.Equal(7u + ServedSerials.Leap + 2, new ServedSerials(folder).Keeper.Next(Origin, 7, [2]));
    }

    [Fact]
    public void A_stopped_node_that_is_started_and_killed_at_once_was_killed()
    {
        var first = new ServedSerials(folder);
        first.Keeper.Next(Origin, 7, [1]);
        Assert.Null(first.Save(isLast: true));
        _ = new ServedSerials(folder);
        Assert.Equal(7u + ServedSerials.Leap + 1, new ServedSerials(folder).Keeper.Next(Origin, 7, [1]));
    }

    [Fact]
    public void A_damaged_file_gives_way_to_the_one_before_it_and_a_leap()
    {
        var first = new ServedSerials(folder);
        first.Keeper.Next(Origin, 7, [1]);
        Assert.Null(first.Save(isLast: true));
        _ = new ServedSerials(folder); // The file before it says that it was the last one.
        string file = Path.Combine(folder, "served-serials.json");
        byte[] bytes = File.ReadAllBytes(file);
        bytes[^9] ^= 4;
        File.WriteAllBytes(file, bytes);

        Assert.Equal(7u + ServedSerials.Leap + 1, new ServedSerials(folder).Keeper.Next(Origin, 7, [1]));
    }
}
