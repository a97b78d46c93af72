using Fairlead.Fuzz;
using Fairlead.Fuzz.Targets;

namespace Fairlead.Tests.Fuzz;

/// <summary>
/// A moment of each fuzz target, always the same inputs, and every input that broke something once. The long runs are
/// those of the program Fairlead.Fuzz.
/// </summary>
public class FuzzTests
{
    public static TheoryData<string> Targets => [.. AllTargets.Make().Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Targets))]
    public void A_target_keeps_its_promises_for_its_corpus_and_a_moments_changes_of_it(string name)
    {
        IFuzzTarget target = Target(name);
        FuzzResult result = new Fuzzer(target, seed: 20261122).Run(TimeSpan.FromSeconds(1.5), runsMax: 5_000);
        Assert.True(result.Finding is null, $"{result.Finding}: {result.Story}");
        Assert.True(result.Executions > 10 && result.Behaviours > 5, result.ToString());
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public void What_broke_once_does_not_break_again(string name)
    {
        IFuzzTarget target = Target(name);
        foreach (string path in Corpus.Findings(target))
        {
            Exception? fault = Record.Exception(() => target.Run(Corpus.Read(path, target.IsText)));
            Assert.True(fault is null, $"{path}: {fault}");
        }
    }

    [Theory]
    [MemberData(nameof(Targets))]
    public void Every_input_on_disk_says_where_it_came_from(string name)
    {
        foreach (string folder in (string[])["corpus", "findings"])
        {
            string path = Path.Combine(Corpus.Folder, folder, name);
            if (!Directory.Exists(path)) continue;
            Assert.All(
                Directory.EnumerateFiles(path), file => Assert.Matches("^[#;] \\w+", File.ReadLines(file).First()));
        }
    }

    [Fact]
    public void Changes_grow_shrink_and_put_tokens_in_and_stay_within_the_limit()
    {
        var mutator = new Mutator(new Random(1), [[7, 7, 7]], 64);
        bool hasToken = false, isLonger = false, isShorter = false;
        for (int i = 0; i < 1000; i++)
        {
            mutator.Mutate([1, 2, 3, 4], [9, 9, 9, 9]);
            hasToken |= mutator.Current.IndexOf((ReadOnlySpan<byte>)[7, 7, 7]) >= 0;
            isLonger |= mutator.Current.Length > 8;
            isShorter |= mutator.Current.Length < 4;
            Assert.True(mutator.Current.Length <= 64);
        }

        Assert.True(hasToken && isLonger && isShorter);
    }

    [Fact]
    public void The_reader_of_answers_refuses_a_wrong_one()
    {
        byte[] query = Dns.DnsTestBed.Query("www.example.com", Fairlead.Dns.Wire.RecordType.A, 1232);
        byte[] answer = Dns.DnsTestBed.Ask(query);
        _ = new ReplyCheck(query, answer, isStream: false);
        foreach (int at in (int[])[0, 4, 7, 12, 13, answer.Length - 1])
        {
            byte[] wrong = [.. answer];
            wrong[at] ^= 0x41;
            Assert.Throws<BrokenPromiseException>(() => _ = new ReplyCheck(query, wrong, isStream: false).Length);
        }

        byte[][] wrongLengths = [[], answer[..(answer.Length - 1)], [.. answer, 0]];
        foreach (byte[] wrong in wrongLengths)
            Assert.Throws<BrokenPromiseException>(() => _ = new ReplyCheck(query, wrong, isStream: false).Length);
    }

    private static IFuzzTarget Target(string name) => AllTargets.Make().Single(target => target.Name == name);
}
