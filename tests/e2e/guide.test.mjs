// The guide: its statements open their scenes in the lab, and what it shows is what the runs show.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Lab } from './page.mjs';

let lab;
before(async () => {
  lab = await Lab.start();
});
after(() => lab?.close());

test('a statement opens its scene in the lab; "back" comes back to it', () =>
  lab.open({}, async (page) => {
    const calm = await page.headline.innerText();
    const statement = page.statement('A record is lost, and nobody knows');
    await statement.click();
    await page.verdictIsShown();
    assert.equal(await page.headline.innerText(), 'Record 2 is lost, and its producer does not know.');
    assert.ok(await page.guarantee('At most once').isChecked());
    assert.match(await page.address(/lost-in-delivery/), /^#v=1&preset=at-most-once-lost-in-delivery$/);
    await page.page.goBack();
    await page.page.waitForFunction((calm) => document.querySelector('.verdict h2').textContent === calm, calm);
    await page.isInView(statement);
  }));

test('by keyboard: Enter on a statement leads to the verdict', () =>
  lab.open({}, async (page) => {
    await page.statement('Example: orders').focus();
    await page.page.keyboard.press('Enter');
    await page.verdictIsShown();
    assert.match(await page.headline.innerText(), /processed twice, but their outputs are stored once/);
    assert.ok(await page.guarantee('Exactly once').isChecked());
  }));

test('a statement is a link that opens the scene elsewhere', () =>
  lab.open({}, async (page) => {
    const part = await page.unfold('What happens in each failure');
    const href = await part.getByRole('row', { name: /acknowledgement/ }).getByRole('link', { name: 'Stored twice' }).getAttribute('href');
    assert.match(href, /^#v=1&/);
    await lab.open({ hash: href }, async (other) => {
      assert.match(await other.headline.innerText(), /^Record 2 is stored twice/);
    });
  }));

test('nothing is built before it is unfolded', () =>
  lab.open({}, async (page) => {
    assert.equal(await page.guide.locator('details > :not(summary)').count(), 0);
    const claims = await page.unfold('Claim and evidence');
    assert.equal(await claims.locator('.claims > li').count(), 13);
    assert.equal(await claims.locator('details > :not(summary)').count(), 0);
  }));

test('a claim has its mark, its correction and its evidence, which the lab shows too', () =>
  lab.open({}, async (page) => {
    await page.unfold('Claim and evidence');
    const claim = await page.unfold('is exactly once.');
    assert.match(await claim.locator('.mark').innerText(), /contradicted/);
    const evidence = claim.getByRole('link', { name: 'Record 0 is stored twice.' });
    assert.equal(await evidence.count(), 2);
    await evidence.first().click();
    await page.verdictIsShown();
    assert.equal(await page.headline.innerText(), 'Record 0 is stored twice.');
    assert.deepEqual(await page.chips({ broken: true }), ['1 duplicated']);
  }));

test('what is told of an instant opens there', () =>
  lab.open({}, async (page) => {
    await page.unfold('Claim and evidence');
    const claim = await page.unfold('readers see the records');
    const told = await claim.getByRole('link', { name: /commitTransaction\(\) returns/ }).innerText();
    await claim.getByRole('link', { name: /commitTransaction\(\) returns/ }).click();
    await page.verdictIsShown();
    const { step, steps } = await page.place();
    assert.ok(step < steps, 'in the middle');
    assert.ok(told.endsWith(await page.currentSentence.locator('span').innerText()), told);
  }));

test('the answers come to a configuration, and its runs are one click away', () =>
  lab.open({}, async (page) => {
    const part = await page.unfold('Which one do I need?');
    const blocks = () => part.locator('pre').allInnerTexts();
    await page.answer('May records be lost?', 'Some may');
    await page.answer('May they come twice?', 'Yes');
    await page.answer('What may waiting cost?', 'Nothing');
    assert.match((await blocks())[0], /^acks=0\n/);
    await page.answer('May records be lost?', 'None');
    await page.answer('May they come twice?', 'No');
    await page.answer('Is there an outside database?', 'No, only Kafka');
    assert.match((await blocks())[0], /^acks=all\nenable.idempotence=true\n[^]*transactional.id=/);
    assert.match((await blocks())[2], /isolation.level=read_committed/);
    const against = part.locator('h4:text-is("Does not protect from") + ul').getByRole('link');
    const sentence = await against.first().innerText();
    await against.first().click();
    await page.verdictIsShown();
    assert.ok((await page.page.locator('.verdict hgroup').innerText()).includes(sentence));
    assert.equal(await page.valueOf('acks'), 'all');
  }));

test('a block can be copied', () =>
  lab.open({ permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
    const part = await page.unfold('Which one do I need?');
    const block = await part.locator('pre').first().textContent();
    await part.getByRole('button', { name: 'Copy: Producer' }).click();
    await part.getByRole('button', { name: 'Copied: Producer' }).waitFor();
    assert.equal(await page.page.evaluate(() => navigator.clipboard.readText()), block);
  }));

test('at 390 pixels nothing of it sticks out', () =>
  lab.open({ viewport: { width: 390, height: 844 } }, async (page) => {
    await page.unfoldAll();
    assert.equal(await page.page.evaluate(() => document.documentElement.scrollWidth), 390);
    await page.answer('May records be lost?', 'Some may');
    await page.statement('Example: log aggregation').click();
    await page.verdictIsShown();
    assert.match(await page.headline.innerText(), /is lost/);
  }));

test('the Tab key reaches all of it', () =>
  lab.open({}, async (page) => {
    await page.unfoldAll();
    assert.deepEqual(await page.controlsThatTabMisses(), []);
  }));
