using System.Collections.Immutable;
using System.Net;
using Fairlead.Bgp.Bfd;

namespace Fairlead.Tests.Bgp;

public class BfdWordsTests
{
    [Fact]
    public void Every_word_reads_back_as_it_was_written_however_the_pipe_cuts_them() => Property.Holds(500, random =>
    {
        ImmutableArray<BfdTarget> targets = [.. Enumerable.Range(0, random.Next(5)).Select(_ => Target(random))];
        var change = new BfdChange($"peer{random.Next()}", BfdState.Up, BfdState.Init, BfdDiagnostic.PathDown)
        {
            Standing = Standing(random),
        };
        ImmutableArray<BfdStatus> sessions =
        [
            .. Enumerable.Range(0, random.Next(5)).Select(i => new BfdStatus(
                $"p{i}", BfdState.Down, BfdState.Up, BfdDiagnostic.None, (uint)random.Next(), (uint)random.Next(),
                TimeSpan.FromTicks(random.NextInt64()), BfdSession.Never, random.Next())),
        ];
        byte[] stream =
        [
            .. BfdWords.Write(targets), .. BfdWords.Write(BfdWord.Turn), .. BfdWords.Write(change),
            .. BfdWords.Write(sessions), .. BfdWords.Write(BfdWord.End),
        ];

        var words = new BfdWords();
        var read = new List<BfdWord>();
        for (int at = 0; at < stream.Length;)
        {
            Span<byte> free = words.Free;
            int count = Math.Min(Math.Min(free.Length, random.Next(1, 200)), stream.Length - at);
            stream.AsSpan(at, count).CopyTo(free);
            words.Take(count);
            at += count;
            while (words.TryNext(out BfdWord word, out BinaryReader? body))
            {
                read.Add(word);
                if (word == BfdWord.Targets) Assert.Equal([.. targets], BfdWords.ReadTargets(body).ToArray());
                if (word == BfdWord.Change) Assert.Equal(change, BfdWords.ReadChange(body));
                if (word == BfdWord.Status) Assert.Equal([.. sessions], BfdWords.ReadStatus(body).ToArray());
            }
        }

        Assert.Equal([BfdWord.Targets, BfdWord.Turn, BfdWord.Change, BfdWord.Status, BfdWord.End], read);
    });

    private static BfdTarget Target(Random random) => new(
        $"peer{random.Next()}", Address(random), random.Next(2) == 0 ? null : Address(random), new BfdOptions
        {
            Interval = TimeSpan.FromMilliseconds(random.Next(5, 60_000)),
            Multiplier = random.Next(1, 256),
            Strict = random.Next(2) == 0,
            Multihop = random.Next(2) == 0,
            HopsMax = random.Next(1, 255),
        })
    {
        Interface = random.Next(2) == 0 ? null : "eth0",
        Standing = Standing(random),
    };

    private static BfdStanding? Standing(Random random) =>
        random.Next(2) == 0 ? null : new BfdStanding((uint)random.Next(1, int.MaxValue), (uint)random.Next());

    private static IPAddress Address(Random random)
    {
        byte[] bytes = new byte[random.Next(2) == 0 ? 4 : 16];
        random.NextBytes(bytes);
        return new IPAddress(bytes);
    }
}
