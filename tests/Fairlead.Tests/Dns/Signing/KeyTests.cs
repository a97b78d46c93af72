using Fairlead.Dns.Signing;
using Fairlead.Dns.Wire;

namespace Fairlead.Tests.Dns.Signing;

/// <summary>Keys in their folder, and how one follows another.</summary>
public sealed class KeyTests : IDisposable
{
    private static readonly DnsName Zone = DnsName.Parse("example.com");
    private static readonly DateTimeOffset Start = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
    private static readonly KeyTiming Timing = new() { TtlMax = TimeSpan.FromHours(2) };
    private readonly string path = Directory.CreateTempSubdirectory("fairlead-keys").FullName;
    private readonly KeyFolder folder;

    public KeyTests() => folder = new KeyFolder(path);

    public void Dispose() => Directory.Delete(path, recursive: true);

    [Fact]
    public void A_generated_key_reads_back_and_its_private_file_is_for_its_owner_alone()
    {
        ZoneKey made = folder.Generate(Zone, KeyRole.Csk, Start, Timing);
        ZoneKey read = Assert.Single(folder.List(Zone));
        Assert.Equal(made.Times, read.Times);
        Assert.Equal(KeyRole.Csk, read.Key.Role);
        Assert.Equal(made.Key.Dnskey, read.Key.Dnskey);
        string secret = Path.Combine(path, $"Kexample.com.+013+{made.Key.Tag:D5}.private");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(secret));
    }

    [Fact]
    public void A_private_file_that_others_may_read_is_refused()
    {
        folder.Generate(Zone, KeyRole.Csk, Start, Timing);
        string secret = Directory.GetFiles(path, "*.private")[0];
        File.SetUnixFileMode(secret, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        InvalidDataException fault = Assert.Throws<InvalidDataException>(() => folder.List());
        Assert.Contains("chmod 600", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_private_key_beside_another_keys_public_file_is_refused()
    {
        folder.Generate(Zone, KeyRole.Csk, Start, Timing);
        folder.Generate(DnsName.Parse("example.org"), KeyRole.Csk, Start, Timing);
        string[] publics = Directory.GetFiles(path, "*.key");
        File.Copy(publics[0], publics[1], overwrite: true);
        Assert.Throws<InvalidDataException>(() => folder.List());
    }

    [Fact]
    public void Keys_without_a_state_file_are_in_use_by_their_private_files_times()
    {
        folder.Generate(Zone, KeyRole.Ksk, Start, Timing);
        folder.Generate(Zone, KeyRole.Zsk, Start, Timing);
        foreach (string state in Directory.GetFiles(path, "*.state")) File.Delete(state);
        Assert.Equal([KeyRole.Ksk, KeyRole.Zsk], folder.List(Zone).Select(key => key.Key.Role).Order());
        KeySet set = folder.At(Zone, Start)!;
        Assert.Empty(set.Problems());
        Assert.Equal(KeyRole.Ksk, Assert.Single(set.KeySigners).Role);
        Assert.Equal(KeyRole.Zsk, Assert.Single(set.ZoneSigners).Role);
        Assert.Equal(KeyRole.Ksk, Assert.Single(set.ForParent).Role);
    }

    [Fact]
    public void A_second_key_comes_by_a_roll_only()
    {
        folder.Generate(Zone, KeyRole.Csk, Start, Timing);
        Assert.Throws<InvalidOperationException>(() => folder.Generate(Zone, KeyRole.Csk, Start, Timing));
        Assert.Throws<InvalidOperationException>(() => folder.Generate(Zone, KeyRole.Zsk, Start, Timing));
    }

    /// <summary>RFC 6781 §4.1.2, RFC 7583 §3.3: double signature.</summary>
    [Fact]
    public void A_csk_stays_until_the_parent_has_the_new_ones_ds_and_caches_forgot_the_old()
    {
        ZoneKey first = folder.Generate(Zone, KeyRole.Csk, Start, Timing);
        Assert.Empty(folder.At(Zone, Start)!.ForParent);
        Assert.Equal(Start.AddHours(3), folder.At(Zone, Start)!.NextChange);
        Assert.Equal(first.Key.Tag, folder.At(Zone, Start.AddHours(3))!.AwaitsParent!.Tag);
        Assert.Throws<InvalidOperationException>(() => folder.Roll(Zone, null, Start.AddDays(1), Timing));
        folder.ParentHasDs(Zone, first.Key.Tag, Start.AddHours(4), Timing);
        Assert.Null(folder.At(Zone, Start.AddHours(4))!.AwaitsParent);

        DateTimeOffset roll = Start.AddDays(100);
        ZoneKey second = folder.Roll(Zone, null, roll, Timing);
        Assert.Throws<InvalidOperationException>(() => folder.Roll(Zone, null, roll.AddDays(1), Timing));
        Assert.Equal([first.Key.Tag, second.Key.Tag], Tags(folder.At(Zone, roll)!.ZoneSigners));
        Assert.Equal([first.Key.Tag], Tags(folder.At(Zone, roll)!.ForParent));
        Assert.Equal([second.Key.Tag], Tags(folder.At(Zone, roll.AddHours(3))!.ForParent));
        // Nobody told us about the parent: nothing goes on, however long it takes.
        Assert.Equal(2, folder.At(Zone, roll.AddDays(1000))!.KeySigners.Length);

        folder.ParentHasDs(Zone, second.Key.Tag, roll.AddDays(2), Timing);
        DateTimeOffset gone = roll.AddDays(3).AddHours(1);
        Assert.Equal(gone, folder.At(Zone, roll.AddDays(2))!.NextChange);
        Assert.Equal(2, folder.At(Zone, gone.AddSeconds(-1))!.Shown.Length);
        Assert.Equal([second.Key.Tag], Tags(folder.At(Zone, gone)!.Shown));
        Assert.Equal([second.Key.Tag], Tags(folder.At(Zone, gone)!.ZoneSigners));
    }

    /// <summary>RFC 6781 §4.1.1.1, RFC 7583 §3.2.1: pre-publication.</summary>
    [Fact]
    public void A_zsk_is_shown_a_ttl_before_it_signs_and_the_old_one_a_ttl_after()
    {
        folder.Generate(Zone, KeyRole.Ksk, Start, Timing);
        ushort old = folder.Generate(Zone, KeyRole.Zsk, Start, Timing).Key.Tag;
        ushort next = folder.Roll(Zone, KeyRole.Zsk, Start.AddDays(30), Timing).Key.Tag;
        KeySet At(double hours) => folder.At(Zone, Start.AddDays(30).AddHours(hours))!;
        Assert.Equal([old], Tags(At(0).ZoneSigners));
        Assert.Equal(3, At(0).Shown.Length);
        Assert.Equal([old], Tags(At(2.9).ZoneSigners));
        Assert.Equal([next], Tags(At(3).ZoneSigners));
        Assert.Equal(3, At(5.9).Shown.Length);
        Assert.Equal(2, At(6).Shown.Length);
        Assert.Null(At(6).NextChange);
    }

    // Whatever order keys are rolled in, and whenever the clock is read: something always signs, and with a key that
    // has been shown for a TTL.
    [Fact]
    public void A_zone_never_lacks_a_signer_that_caches_know() => Property.Holds(20, random =>
    {
        List<ZoneKey> keys = [Made(KeyRole.Ksk, Start), Made(KeyRole.Zsk, Start)];
        DateTimeOffset now = Start;
        for (int step = 0; step < 60; step++)
        {
            now += TimeSpan.FromMinutes(random.Next(600));
            try
            {
                ushort newest = keys[^1].Key.Tag;
                if (random.Next(3) == 0) Merge(keys, KeyRollover.ParentHasDs(Zone, keys, newest, now, Timing));
                else Roll(keys, (KeyRole)random.Next(1, 3), now);
            }
            catch (InvalidOperationException)
            {
                // Refused: nothing changed.
            }

            for (int minutes = 0; minutes < 600; minutes += 30)
            {
                KeySet set = KeySet.At(Zone, keys, now.AddMinutes(minutes));
                Assert.Empty(set.Problems());
                IEnumerable<DnssecKey> late = keys
                    .Where(key => key.Times.Published > now.AddMinutes(minutes) - Timing.TtlMax)
                    .Where(key => key.Times.Published > Start).Select(key => key.Key);
                Assert.Empty(set.ZoneSigners.Intersect(late));
            }
        }
    });

    private static void Roll(List<ZoneKey> keys, KeyRole role, DateTimeOffset now)
    {
        (KeyTimes times, IReadOnlyList<ZoneKey> changed) = KeyRollover.Roll(Zone, keys, role, now, Timing);
        Merge(keys, changed);
        keys.Add(new ZoneKey(DnssecKey.Generate(Zone, role), times));
    }

    private static void Merge(List<ZoneKey> keys, IReadOnlyList<ZoneKey> changed)
    {
        foreach (ZoneKey key in changed) keys[keys.FindIndex(other => other.Key == key.Key)] = key;
    }

    private static ZoneKey Made(KeyRole role, DateTimeOffset now) =>
        new(DnssecKey.Generate(Zone, role), KeyRollover.First(role, now, Timing));

    private static IEnumerable<ushort> Tags(IEnumerable<DnssecKey> keys) => keys.Select(key => key.Tag);
}
